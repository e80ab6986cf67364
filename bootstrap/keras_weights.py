"""Read and write the weights of a Keras network in the .h5 files that DeepFace loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from onnx_graph import RewriteError

Parameters = dict[str, NDArray[np.float32]]


def read_weights(path: Path) -> Parameters:
    """Return {"layer/parameter": float32 array} of a file of weights or of a whole network.

    Raises:
        RewriteError: it is no HDF5.
        OSError: it cannot be read.
    """
    if not h5py.is_hdf5(path):
        raise RewriteError("it is no .h5")
    with h5py.File(path) as file:
        group = file.get("model_weights", file)
        found: Parameters = {}
        for layer in group.attrs.get("layer_names", ()):
            for name in group[layer].attrs["weight_names"]:
                text = name if isinstance(name, str) else name.decode()
                found[text.removesuffix(":0")] = np.asarray(group[layer][name], np.float32)
    return found


def write_weights(layers: Mapping[str, Parameters], path: Path) -> None:
    """Write {layer: {parameter: array}} as Keras does: it gives them to the network's layers in this order."""
    with h5py.File(path, "w") as file:
        # Fixed-length names, as Keras writes them.
        file.attrs["layer_names"] = np.array([layer.encode() for layer in layers])
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.16.0"
        for layer, parameters in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{name}:0".encode() for name in parameters])
            for name, values in parameters.items():
                group.create_dataset(f"{layer}/{name}:0", data=values)
