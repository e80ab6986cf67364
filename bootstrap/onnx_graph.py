"""What the recipes that make ONNX models share: the weights of a graph, the saving, and the error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Array = NDArray[np.float64]


class RewriteError(Exception):
    """The source is not the model that the recipe was written for."""


class Weights:
    """The initializers of a graph as float64 arrays; `store` writes the used ones back as float32."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}

    def get(self, name: str) -> Array:
        return np.asarray(numpy_helper.to_array(self._tensors[name]), np.float64)

    def add(self, name: str, values: Array) -> str:
        """Add or replace one; returns its name."""
        return self._put(name, np.ascontiguousarray(values, dtype=np.float32))

    def add_shape(self, name: str, dimensions: list[int]) -> str:
        return self._put(name, np.array(dimensions, dtype=np.int64))

    def _put(self, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        self._tensors[name] = numpy_helper.from_array(values, name)
        return name

    def store(self) -> None:
        """Keep the initializers in use, and take them off the graph's inputs, where they prevent folding."""
        used = {name for node in self._graph.node for name in node.input}
        inputs = [value for value in self._graph.input if value.name not in self._tensors]
        del self._graph.initializer[:], self._graph.input[:]
        self._graph.initializer.extend(tensor for name, tensor in self._tensors.items() if name in used)
        self._graph.input.extend(inputs)


def save(model: onnx.ModelProto, destination: Path) -> None:
    """Write a model without what only tells how it was made: the same model gives the same bytes.

    Raises:
        onnx.checker.ValidationError: it is not valid ONNX.
        OSError: it cannot be written.
    """
    del model.graph.value_info[:], model.metadata_props[:]
    for field in ("producer_name", "producer_version", "doc_string", "domain", "model_version"):
        model.ClearField(field)
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.checker.check_model(model, full_check=True)
    destination.write_bytes(model.SerializeToString(deterministic=True))
