"""Recipes that rewrite a published ONNX model so that onnxruntime runs it fast on any CPU.

The result computes what the source computes and holds plain ONNX operators only: the blocked layout that makes it fast
is chosen by onnxruntime when it loads the file, for the CPU at hand.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from onnx_graph import Array, RewriteError, Weights

# SFace's slopes come no nearer to 1 than 0.016. Much nearer, the division by 1 - slope would cost accuracy.
NEAREST_SLOPE_TO_ONE = 1e-3

YUNET_STRIDES = (8, 16, 32)
# Together the four heads have 16 channels: one block of onnxruntime's blocked layout at its widest.
YUNET_HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
YUNET_HEADS_WITH_SIGMOID = ("cls", "obj")


def rewrite_sface(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free the batch of SFace and write its PRelu layers with operators that have a blocked-layout kernel.

    onnxruntime has no blocked PRelu: it would convert the layout before and after each of the 27 of them.
    With d = 1 - slope, PRelu(x) = slope * x + d * Relu(x) = d * (slope / d * x + Relu(x)). The product
    slope / d * x is a batch normalization without shift, which adds Relu(x) on the way; d goes into the
    weights of the next layer. That is exact at zero-padded borders too, because a scale leaves zero at zero.

    Input `data`: (batch, 3, 112, 112) float32, RGB, 0 to 255. Output `fc1`: (batch, 128) float32.
    """
    graph = model.graph
    weights = Weights(graph)
    if not any(node.op_type == "PRelu" for node in graph.node):
        raise RewriteError("it has no PRelu layers")
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        source, output = node.input[0], node.output[0]
        slope = weights.get(node.input[1]).ravel()
        scale = 1.0 - slope
        if np.abs(scale).min() < NEAREST_SLOPE_TO_ONE:
            raise RewriteError(f"{output}: a PRelu slope is too near to 1")
        _scale_input_channels(_only_consumer(graph, output), scale, weights)
        normalization = [
            weights.add(f"{output}_slope", slope / scale),
            weights.add(f"{output}_shift", np.zeros_like(slope)),
            weights.add(f"{output}_mean", np.zeros_like(slope)),
            weights.add(f"{output}_variance", np.ones_like(slope)),
        ]
        nodes += [
            helper.make_node("BatchNormalization", [source, *normalization], [f"{output}_linear"], epsilon=0.0),
            helper.make_node("Relu", [source], [f"{output}_positive"]),
            helper.make_node("Add", [f"{output}_linear", f"{output}_positive"], [output]),
        ]
    _replace_nodes(graph, nodes)
    weights.store()
    _name_dimensions(graph.input[0], {0: "batch"})
    _name_dimensions(graph.output[0], {0: "batch"})
    return model


def rewrite_yunet(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free the batch, height and width of YuNet and join its four heads at each stride into one.

    A head of 1, 4 or 10 channels is computed as 16 channels in the blocked layout; the four together are 16.

    Input `input`: (batch, 3, height, width) float32, BGR, 0 to 255, height and width multiples of 32.
    Outputs `cls_S`, `obj_S`, `bbox_S`, `kps_S` with S = 8, 16, 32: (batch, height / S * width / S, C)
    float32 with C = 1, 1, 4, 10.
    """
    graph = model.graph
    weights = Weights(graph)
    made_by = {output: node for node in graph.node for output in node.output}
    replaced: set[str] = set()
    heads: list[onnx.NodeProto] = []
    for stride in YUNET_STRIDES:
        chains = [_head_chain(f"{name}_{stride}", made_by) for name in YUNET_HEADS]
        replaced.update(node.output[0] for chain in chains for node in chain)
        heads += _joined_head(stride, chains, weights)
    _replace_nodes(graph, [*(node for node in graph.node if node.output[0] not in replaced), *heads])
    weights.store()
    _name_dimensions(graph.input[0], {0: "batch", 2: "height", 3: "width"})
    for output in graph.output:
        _name_dimensions(output, {0: "batch", 1: f"anchors_{output.name.rpartition('_')[2]}"})
    return model


def rewrite_edgeface(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free the batch of EdgeFace, which is declared as free but fixed to 1 inside its attention blocks.

    Input `data`: (batch, 3, 112, 112) float32, RGB, -1 to 1. Output `1344`: (batch, 512) float32.
    """
    graph = model.graph
    weights = Weights(graph)
    reshapes = [node for node in graph.node if node.op_type == "Reshape"]
    if not reshapes:
        raise RewriteError("it has no Reshape")
    for node in reshapes:
        dimensions = weights.get(node.input[1]).astype(np.int64).tolist()
        if dimensions[0] != 1:
            raise RewriteError(f"{node.name}: expected a Reshape to a batch of 1")
        weights.add_shape(node.input[1], [0, *dimensions[1:]])  # 0: as many as come in
    weights.store()
    _name_dimensions(graph.input[0], {0: "batch"})
    _name_dimensions(graph.output[0], {0: "batch"})
    return model


def _scale_input_channels(node: onnx.NodeProto, scale: Array, weights: Weights) -> None:
    """Let `node` take x where it took scale * x."""
    kernel = weights.get(node.input[1])
    if node.op_type == "BatchNormalization":
        weights.add(node.input[1], kernel * scale)
        weights.add(node.input[3], weights.get(node.input[3]) / scale)
    elif node.op_type == "Conv" and kernel.shape[1] == 1:  # depthwise: one input channel per output channel
        weights.add(node.input[1], kernel * scale[:, None, None, None])
    elif node.op_type == "Conv" and kernel.shape[1] == scale.size:
        weights.add(node.input[1], kernel * scale[None, :, None, None])
    else:
        raise RewriteError(f"{node.output[0]}: a PRelu is followed by an unexpected {node.op_type}")


def _head_chain(output: str, made_by: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes from a head's 1x1 convolution to its output, in order."""
    types = ["Reshape", "Transpose", "Conv", "Conv"]
    if output.startswith(YUNET_HEADS_WITH_SIGMOID):
        types.insert(0, "Sigmoid")
    chain: list[onnx.NodeProto] = []
    name = output
    for op_type in types:
        node = made_by.get(name)
        if node is None or node.op_type != op_type:
            raise RewriteError(f"{output}: expected a {op_type} that makes {name}")
        chain.insert(0, node)
        name = node.input[0]
    return chain


def _joined_head(stride: int, chains: list[list[onnx.NodeProto]], weights: Weights) -> list[onnx.NodeProto]:
    """One head with the channels of all: 1x1 convolution, 3x3 depthwise convolution, anchors last, split."""
    sources = {chain[0].input[0] for chain in chains}
    if len(sources) != 1:
        raise RewriteError(f"stride {stride}: the heads have different inputs")
    nodes: list[onnx.NodeProto] = []
    current = sources.pop()
    channels = sum(YUNET_HEADS.values())
    for position, (name, groups) in enumerate((("pointwise", 1), ("depthwise", channels))):
        joined = f"head_{stride}_{name}"
        parts = [chain[position] for chain in chains]
        kernels = np.concatenate([weights.get(part.input[1]) for part in parts])
        biases = np.concatenate([weights.get(part.input[2]) for part in parts])
        inputs = [current, weights.add(f"{joined}_weight", kernels), weights.add(f"{joined}_bias", biases)]
        size = kernels.shape[2]
        pads = [size // 2] * 4
        nodes.append(helper.make_node("Conv", inputs, [joined], kernel_shape=[size, size], pads=pads, group=groups))
        current = joined
    shape = weights.add_shape("head_shape", [0, -1, channels])
    with_sigmoid = [f"{name}_{stride}" for name in YUNET_HEADS_WITH_SIGMOID]
    outputs = [f"{name}_{stride}" for name in YUNET_HEADS]
    split = [f"{output}_split" if output in with_sigmoid else output for output in outputs]
    nodes += [
        helper.make_node("Transpose", [current], [f"head_{stride}_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [f"head_{stride}_last", shape], [f"head_{stride}"]),
        helper.make_node("Split", [f"head_{stride}"], split, axis=2, split=list(YUNET_HEADS.values())),
    ]
    nodes += [helper.make_node("Sigmoid", [f"{output}_split"], [output]) for output in with_sigmoid]
    return nodes


def _only_consumer(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    consumers: list[onnx.NodeProto] = [node for node in graph.node if name in node.input]
    if len(consumers) != 1:
        raise RewriteError(f"{name}: expected one consumer, found {len(consumers)}")
    return consumers[0]


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.node[:]
    graph.node.extend(nodes)


def _name_dimensions(value: onnx.ValueInfoProto, names: dict[int, str]) -> None:
    for axis, name in names.items():
        value.type.tensor_type.shape.dim[axis].dim_param = name
