"""Aligned crops -> unit vectors, batched."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.models import Recogniser
from facefinder.faces.runtime import create_session

# Crops that go through the network together: more gain nothing on a CPU and cost memory.
BATCH = 4


class Embedder:
    """One recogniser, loaded."""

    def __init__(self, recogniser: Recogniser, models: Path):
        self._recogniser = recogniser
        self._session = create_session(models / recogniser.file)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) uint8 RGB crops -> (N, D) float32 unit vectors."""
        vectors = np.empty((len(crops), self._recogniser.dimensions), np.float32)
        for start in range(0, len(crops), BATCH):
            batch = crops[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
            batch = (batch - self._recogniser.mean) * self._recogniser.scale
            vectors[start : start + BATCH] = self._session.run([self._output], {self._input: batch})[0]
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of an aligned crop: under about 50 is blurred, a clear photo has hundreds."""
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())
