"""Read the constants of a frozen TensorFlow graph (.pb), without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from onnx_graph import RewriteError

FLOAT = 1  # TensorFlow's DT_FLOAT

# The part of TensorFlow's format that leads to a constant's numbers: message -> field -> (number, kind); a kind that is
# a name is another message. What is not listed is passed over. The numbers stand in graph.proto, node_def.proto,
# attr_value.proto, tensor.proto and tensor_shape.proto of tensorflow/core/framework.
MESSAGES: dict[str, dict[str, tuple[int, int | str]]] = {
    "Graph": {"node": (1, "Node")},
    "Node": {"name": (1, Field.TYPE_STRING), "op": (2, Field.TYPE_STRING), "attr": (5, "Attribute")},
    "Attribute": {"key": (1, Field.TYPE_STRING), "value": (2, "Value")},
    "Value": {"tensor": (8, "Tensor")},
    "Tensor": {"dtype": (1, Field.TYPE_INT32), "shape": (2, "Shape"), "content": (4, Field.TYPE_BYTES)},
    "Shape": {"dim": (2, "Dimension")},
    "Dimension": {"size": (1, Field.TYPE_INT64)},
}
REPEATED = ("node", "attr", "dim")


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the float32 constants of more than one number, by the names of their nodes.

    Raises:
        RewriteError: it is no frozen graph.
        OSError: it cannot be read.
    """
    graph = _graph_class()()
    try:
        graph.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise RewriteError("it is no frozen TensorFlow graph") from error
    constants = {}
    for node in graph.node:
        tensors = [attribute.value.tensor for attribute in node.attr if attribute.key == "value"]
        if node.op == "Const" and tensors and tensors[0].dtype == FLOAT and tensors[0].content:
            shape = [dimension.size for dimension in tensors[0].shape.dim]
            constants[node.name] = np.frombuffer(tensors[0].content, "<f4").reshape(shape)
    return constants


def _graph_class() -> Any:
    """The class of the message Graph."""
    file = descriptor_pb2.FileDescriptorProto(name="frozen_graph.proto", package="frozen_graph", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = Field.LABEL_REPEATED if field in REPEATED else Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(
                    name=field, number=number, label=label, type=Field.TYPE_MESSAGE, type_name=f".frozen_graph.{kind}"
                )
            else:
                message.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("frozen_graph.Graph"))
