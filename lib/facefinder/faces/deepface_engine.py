"""The engine `deepface`: the same Analyzer, answered by the DeepFace library's own functions.

A photo goes the way that it goes in DeepFace.find: padded, detected, cut out and turned by the eyes, made square with
black, described; so a vector is the one that DeepFace.find compares. Different are only the ways in and out: the
pixels come from media.decode (upright, of any format, from any path), the weights from the stick and never from the
network, and nothing is printed or written.
"""

import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.errors import ModelsError
from facefinder.faces.align import TEMPLATE, align
from facefinder.faces.analyzer import Analysis, AnalyzerSpec, Face
from facefinder.faces.embed import sharpness
from facefinder.faces.models import DEEPFACE_HOME, DEEPFACE_WEIGHTS
from facefinder.faces.runtime import create_session
from facefinder.media.decode import open_photo

# Where the eyes, the nose and the corners of the mouth lie in a box, as parts of its width and height, in a picture
# from the left: the mean of YuNet's boxes of the demonstration album. For detectors that mark no eyes.
IN_BOX = np.array([[0.28, 0.385], [0.72, 0.385], [0.50, 0.58], [0.31, 0.735], [0.69, 0.735]], np.float32)

# DeepFace names points from the person's side; here they go from left to right in the picture.
POINTS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")

SILENT = 100  # above every level of logging


class DeepFaceAnalyzer:
    """One recogniser and one detector of DeepFace."""

    def __init__(self, spec: AnalyzerSpec):
        cv2.setNumThreads(1)
        _settle(spec)
        with _no_output():
            self._library = _Library(spec)
        self._min_face = spec.min_face

    def analyse(self, data: bytes) -> Analysis:
        """See Analyzer."""
        started = time.perf_counter()
        photo = open_photo(data)
        pixels = photo.pixels(1.0)
        decoded = time.perf_counter()
        faces = self.faces_in(pixels)
        seconds = {"decode": decoded - started, "deepface": time.perf_counter() - decoded}
        return Analysis(photo.width, photo.height, photo.taken, faces, seconds, problem=photo.problem)

    def faces_in(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """See Analyzer."""
        faces = []
        for found in self._library.extract(np.ascontiguousarray(pixels[:, :, ::-1])):
            area = found["facial_area"]
            box = (float(area["x"]), float(area["y"]), float(area["w"]), float(area["h"]))
            if min(box[2:]) < self._min_face:
                continue
            landmarks = _landmarks(area)
            crop = align(pixels, landmarks)
            score = min(1.0, max(0.0, float(found["confidence"])))
            faces.append(Face(box, landmarks, score, sharpness(crop), self._library.describe(found["face"])))
        return faces


class _Library:
    """DeepFace's functions, with the models loaded."""

    def __init__(self, spec: AnalyzerSpec):
        with _no_socket():
            from deepface.commons import backend_utils, onnx_utils, weight_utils
            from deepface.modules import detection, modeling, representation
            from deepface.modules.exceptions import FaceNotDetected, ImgNotFound

        weights = spec.models / DEEPFACE_WEIGHTS
        # One process keeps to one back end, and remembers its models by their names alone.
        if backend_utils._backend_engine != spec.backend:
            backend_utils._backend_engine = None
            vars(modeling).pop("cached_models", None)
        # The weights come from here, and sessions are made as the program makes them, with one thread.
        weight_utils.download_weights_if_necessary = lambda file_name, *_, **__: str(_there(weights / file_name))
        onnx_utils.build_session = lambda file_name, *_, **__: create_session(_there(weights / file_name))
        _limit_threads(spec)
        self._model, self._detector = spec.model, spec.detector
        self._extract, self._represent = detection.extract_faces, representation.represent
        self._no_face = (FaceNotDetected, ImgNotFound)
        modeling.build_model("facial_recognition", spec.model)
        modeling.build_model("face_detector", spec.detector)

    def extract(self, picture: NDArray[np.uint8]) -> list[dict[str, Any]]:
        """The faces in a BGR picture, as DeepFace.find cuts them out."""
        try:
            return self._extract(picture, detector_backend=self._detector, color_face="bgr")  # type: ignore[no-any-return]
        except self._no_face:
            return []

    def describe(self, face: NDArray[np.float64]) -> NDArray[np.float32]:
        """The unit vector of what `extract` cut out."""
        [described] = self._represent(face, model_name=self._model, detector_backend="skip")
        vector = np.asarray(described["embedding"], np.float64)
        return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)


def _settle(spec: AnalyzerSpec) -> None:
    """What DeepFace and TensorFlow read from the environment when they are imported."""
    os.environ |= {
        "DEEPFACE_HOME": str(spec.models / DEEPFACE_HOME),
        "DEEPFACE_BACKEND_ENGINE": spec.backend,
        "DEEPFACE_LOG_LEVEL": str(SILENT),
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_HOME": os.path.join(os.devnull, "keras"),  # it would make a folder in the user's home
    }
    logging.getLogger("tensorflow").setLevel(SILENT)


def _limit_threads(spec: AnalyzerSpec) -> None:
    """One thread each: the worker processes share out the cores."""
    if spec.backend == "tensorflow" or spec.detector == "mtcnn":
        import tensorflow

        threads = tensorflow.config.threading
        if threads.get_intra_op_parallelism_threads() != 1:
            threads.set_intra_op_parallelism_threads(1)
            threads.set_inter_op_parallelism_threads(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise ModelsError(f"The model file {path} is missing, and nothing is downloaded during a search.")
    return path


@contextlib.contextmanager
def _no_socket() -> Iterator[None]:
    """Keep urllib3, which DeepFace imports, from opening a socket to see whether it may."""
    before = socket.has_ipv6
    socket.has_ipv6 = False
    try:
        yield
    finally:
        socket.has_ipv6 = before


@contextlib.contextmanager
def _no_output() -> Iterator[None]:
    """Send to nowhere what native libraries write to the terminal while they are loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in enumerate(kept, start=1):
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)


def _landmarks(area: dict[str, Any]) -> NDArray[np.float32]:
    """(5, 2): the points that the detector marked; where there are only eyes, or none, the others by proportion."""
    known = [area.get(point) for point in POINTS]
    if known[0] is None or known[1] is None:
        corner, size = np.array([[area["x"], area["y"]], [area["w"], area["h"]]], np.float32)
        placed: NDArray[np.float32] = corner + IN_BOX * size
        return placed
    # The one turn and scale that moves the template's eyes onto these; as complex numbers, a product.
    template = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]
    first, second = complex(*known[0]), complex(*known[1])
    moved = first + (template - template[0]) * (second - first) / (template[1] - template[0])
    points = [mark or (guess.real, guess.imag) for mark, guess in zip(known, moved.tolist(), strict=True)]
    return np.array(points, np.float32)
