"""Inception-ResNet-v1, the network of Facenet and Facenet512: its weights -> ONNX, or the .h5 that DeepFace loads.

The layers are those of the published network (github.com/davidsandberg/facenet, MIT), under the names that DeepFace
gives them. Input (batch, 160, 160, 3) float32, output (batch, D) float32 before it is made a unit vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from frozen_graph import read_constants
from keras_weights import Parameters, read_weights, write_weights
from onnx_graph import Array, RewriteError, save

SIDE = 160
EPSILON = 0.001  # of each batch normalization
OPERATORS, FORMAT = 13, 8  # versions of ONNX that every onnxruntime since 2021 reads

# The layers before the blocks: convolution -> whether its borders are padded. Pool: the largest of 3x3, stride 2.
POOL = "pool"
STEM = {
    "Conv2d_1a_3x3": False,
    "Conv2d_2a_3x3": False,
    "Conv2d_2b_3x3": True,
    POOL: False,
    "Conv2d_3b_1x1": False,
    "Conv2d_4a_3x3": False,
    "Conv2d_4b_3x3": False,
}
# Of the convolutions these take every second pixel, and pad no borders.
STRIDE_TWO = ("1a", "4b")

Branches = tuple[tuple[str, ...], ...]
BLOCK35: Branches = (
    ("Conv2d_1x1",),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3"),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3"),
)
MIXED_6A: Branches = (("Conv2d_1a_3x3",), ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3"), (POOL,))
BLOCK17: Branches = (("Conv2d_1x1",), ("Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1"))
MIXED_7A: Branches = (
    ("Conv2d_0a_1x1", "Conv2d_1a_3x3"),
    ("Conv2d_0a_1x1", "Conv2d_1a_3x3"),
    ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3"),
    (POOL,),
)
BLOCK8: Branches = (("Conv2d_1x1",), ("Conv2d_0a_1x1", "Conv2d_0b_1x3", "Conv2d_0c_3x1"))


def blocks() -> Iterator[tuple[str, Branches, float, bool]]:
    """(name, branches, by how much the sum of a residual block is scaled or 0, whether it ends in a Relu)."""
    for number in range(1, 6):
        yield f"Block35_{number}", BLOCK35, 0.17, True
    yield "Mixed_6a", MIXED_6A, 0, False
    for number in range(1, 11):
        yield f"Block17_{number}", BLOCK17, 0.10, True
    yield "Mixed_7a", MIXED_7A, 0, False
    for number in range(1, 6):
        yield f"Block8_{number}", BLOCK8, 0.20, True
    yield "Block8_6", BLOCK8, 1.0, False


def layers_in_order() -> Iterator[str]:
    """The names of the layers that have weights, in Keras's order: by their distance from the network's end."""
    for name in STEM:
        if name != POOL:
            yield from (name, f"{name}_BatchNorm")
    for block, branches, scale, _ in blocks():
        for from_end in range(max(map(len, branches)), 0, -1):
            level = [
                f"{block}_Branch_{number}_{names[-from_end]}"
                for number, names in enumerate(branches)
                if len(names) >= from_end and names[-from_end] != POOL
            ]
            yield from level
            yield from (f"{name}_BatchNorm" for name in level)
        if scale:
            yield f"{block}_Conv2d_1x1"
    yield from ("Bottleneck", "Bottleneck_BatchNorm")


def onnx_of_keras(source: Path, destination: Path) -> None:
    """Recipe: DeepFace's .h5 -> ONNX."""
    write_onnx(read_weights(source), destination)


def onnx_of_frozen_graph(source: Path, destination: Path) -> None:
    """Recipe: a frozen TensorFlow graph of the network -> ONNX."""
    write_onnx(keras_names(read_constants(source)), destination)


def keras_of_frozen_graph(source: Path, destination: Path) -> None:
    """Recipe: a frozen TensorFlow graph of the network -> DeepFace's .h5."""
    parameters = checked(keras_names(read_constants(source)))
    layers: dict[str, Parameters] = {name: {} for name in layers_in_order()}
    for name, values in parameters.items():
        layer, parameter = name.split("/")
        layers[layer][parameter] = values
    write_weights(layers, destination)


def keras_names(constants: Parameters) -> Parameters:
    """Rename TensorFlow's variables: .../Repeat/block35_1/Branch_0/Conv2d_1x1/weights is Keras's
    Block35_1_Branch_0_Conv2d_1x1/kernel.
    """
    renamed = {}
    for name, values in constants.items():
        network, *scopes, variable = name.split("/")
        if network != "InceptionResnetV1":
            continue
        scopes = [scope for scope in scopes if not scope.startswith("Repeat")]
        # The last block has no number.
        layer = "_".join("Block8_6" if scope == "Block8" else scope.replace("block", "Block") for scope in scopes)
        parameter = {"weights": "kernel", "biases": "bias"}.get(variable, variable)
        renamed[f"{layer}/{parameter}"] = values
    return renamed


def checked(parameters: Parameters) -> Parameters:
    """Return the parameters. Raises RewriteError unless they are those of the network, all of them."""
    wanted: set[str] = set()
    for layer in layers_in_order():
        if layer.endswith("_BatchNorm"):
            wanted |= {f"{layer}/{name}" for name in ("beta", "moving_mean", "moving_variance")}
        else:
            wanted.add(f"{layer}/kernel")
    wanted |= {f"{block}_Conv2d_1x1/bias" for block, _, scale, _ in blocks() if scale}
    if different := wanted ^ set(parameters):
        raise RewriteError(f"{len(different)} of its weights are missing or unexpected, such as {min(different)}")
    return parameters


def write_onnx(parameters: Parameters, destination: Path) -> None:
    """Write the network with its batch normalizations folded into the convolutions before them."""
    network = _Network(checked(parameters))
    x = network.node("Transpose", ["input"], perm=[0, 3, 1, 2])
    for name, padded in STEM.items():
        x = network.layer(name, x, padded=padded)
    for block, branches, scale, relu in blocks():
        ends = []
        for number, names in enumerate(branches):
            end = x
            for name in names:
                prefix = "" if name == POOL else f"{block}_Branch_{number}_"
                end = network.layer(prefix + name, end, padded="_1a_" not in name)
            ends.append(end)
        joined = network.node("Concat", ends, axis=1)
        if not scale:
            x = joined
            continue
        x = network.node("Add", [x, network.scaled(f"{block}_Conv2d_1x1", joined, scale)])
        x = network.node("Relu", [x]) if relu else x
    pooled = network.node("Flatten", [network.node("GlobalAveragePool", [x])])
    save(network.model(*network.dense("Bottleneck", pooled)), destination)


class _Network:
    """An ONNX graph that grows node by node; layers take their weights from `parameters`."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def layer(self, name: str, source: str, *, padded: bool) -> str:
        """A convolution with its batch normalization and Relu, or a pool."""
        if name == POOL:
            return self.node("MaxPool", [source], kernel_shape=[3, 3], strides=[2, 2])
        kernel, bias = self._folded(name)
        stride = 2 if name.split("_")[-2] in STRIDE_TWO else 1
        return self.node("Relu", [self._convolution(name, source, kernel, bias, stride, padded)])

    def scaled(self, name: str, source: str, scale: float) -> str:
        """A 1x1 convolution with a bias, times `scale`."""
        kernel, bias = self._of(name, "kernel") * scale, self._of(name, "bias") * scale
        return self._convolution(name, source, kernel, bias, 1, True)

    def dense(self, name: str, source: str) -> tuple[str, int]:
        """The last layer, with its batch normalization: its output and how many numbers that has."""
        kernel, bias = self._folded(name)
        inputs = [source, self._tensor(f"{name}_weight", kernel), self._tensor(f"{name}_bias", bias)]
        return self.node("Gemm", inputs), len(bias)

    def model(self, output: str, dimensions: int) -> onnx.ModelProto:
        """The whole, from `input` to this output."""
        taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])
        given = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", dimensions])
        graph = helper.make_graph(self._nodes, "inception_resnet_v1", [taken], [given], self._tensors)
        operators = [helper.make_operatorsetid("", OPERATORS)]
        return helper.make_model(graph, opset_imports=operators, ir_version=FORMAT)

    def _of(self, layer: str, parameter: str) -> Array:
        return np.asarray(self._parameters[f"{layer}/{parameter}"], np.float64)

    def _folded(self, name: str) -> tuple[Array, Array]:
        """Kernel and bias that do what the layer and its batch normalization do."""
        scale = 1 / np.sqrt(self._of(f"{name}_BatchNorm", "moving_variance") + EPSILON)
        bias = self._of(f"{name}_BatchNorm", "beta") - self._of(f"{name}_BatchNorm", "moving_mean") * scale
        return self._of(name, "kernel") * scale, bias

    def _convolution(self, name: str, source: str, kernel: Array, bias: Array, stride: int, padded: bool) -> str:
        """kernel: (height, width, in, out), as TensorFlow has it."""
        size = list(kernel.shape[:2])
        pads = [side // 2 for side in size] * 2 if padded else [0] * 4
        weight = self._tensor(f"{name}_weight", kernel.transpose(3, 2, 0, 1))
        inputs = [source, weight, self._tensor(f"{name}_bias", bias)]
        return self.node("Conv", inputs, kernel_shape=size, strides=[stride] * 2, pads=pads)

    def _tensor(self, name: str, values: Array) -> str:
        self._tensors.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name
