"""Aligned crops -> unit vectors, batched."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.devices import CPU, Device
from facefinder.faces.models import Recogniser
from facefinder.faces.runtime import create_session

# The side of the crops at which sharpness is measured, so that its scale is the same for every recogniser, pixels.
SHARPNESS_SIDE = 112


class Embedder:
    """One recogniser, loaded on a device."""

    def __init__(self, recogniser: Recogniser, models: Path, device: Device = CPU):
        self._recogniser = recogniser
        self._device = device
        self._session = create_session(models / recogniser.file, device)
        [taken] = self._session.get_inputs()
        self._input = taken.name
        self._channels_last = taken.shape[-1] == 3  # networks that come from TensorFlow
        self._output = self._session.get_outputs()[0].name

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, side, side, 3) uint8 RGB crops -> (N, D) float32 unit vectors."""
        vectors = np.empty((len(crops), self._recogniser.dimensions), np.float32)
        size = self._device.batch
        for start in range(0, len(crops), size):
            part = crops[start : start + size]
            batch = np.zeros((size if self._device.whole_batches else len(part), *crops.shape[1:]), np.float32)
            batch[: len(part)] = (part - np.float32(self._recogniser.mean)) * np.float32(self._recogniser.scale)
            fed = batch if self._channels_last else np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
            vectors[start : start + size] = self._session.run([self._output], {self._input: fed})[0][: len(part)]
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of an aligned crop: under about 50 is blurred, a clear photo has hundreds."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if len(grey) != SHARPNESS_SIDE:
        grey = cv2.resize(grey, (SHARPNESS_SIDE, SHARPNESS_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
