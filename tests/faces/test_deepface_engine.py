"""The engine deepface: its names, what it needs, and what it says where something is missing."""

import importlib.util
import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from facefinder.errors import FaceFinderError, ModelsError, UsageError
from facefinder.faces import deepface_models
from facefinder.faces.analyzer import Analyzer, AnalyzerSpec, load
from facefinder.faces.deepface_models import BACKENDS, DETECTORS, RECOGNISERS, deepface_thresholds, specify_deepface
from facefinder.faces.measures import COSINE, MEASURES
from facefinder.faces.models import DEEPFACE_WEIGHTS
from facefinder.media.decode import open_photo

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepface") is None,
    reason="needs the pack deepface: python3 bootstrap/build.py --with deepface",
)

PORTRAIT = "Washington/2012/DSC_0101.jpg"


@pytest.fixture(scope="module")
def spec(models: Path) -> AnalyzerSpec:
    """SFace and yunet, whose weights always come with the pack."""
    return specify_deepface("SFace", "yunet", "onnx", 0, models)


@pytest.fixture(scope="module")
def analyzer(spec: AnalyzerSpec) -> Analyzer:
    return load(spec)


def complaint(kind: type[FaceFinderError], *wanted: str, models: Path) -> str:
    model, detector, backend = wanted
    with pytest.raises(kind) as error:
        specify_deepface(model, detector, backend, 0, models)
    return str(error.value)


def test_every_model_and_detector_that_the_library_registers_can_be_named():
    from deepface.config.threshold import thresholds
    from deepface.modules.modeling import ANY, AVAILABLE_MODELS

    registered = AVAILABLE_MODELS["facial_recognition"]
    assert list(RECOGNISERS) and set(RECOGNISERS) == set(registered) == set(thresholds)
    for name, sources in registered.items():
        assert ANY in sources or set(sources) == set(RECOGNISERS[name].files) == set(BACKENDS)
    assert set(DETECTORS) == set(AVAILABLE_MODELS["face_detector"])


def test_the_files_are_those_that_the_library_would_download():
    """Each file's name stands in the module of the library that loads it."""
    from deepface.modules.modeling import AVAILABLE_MODELS

    for task, parts in (("facial_recognition", RECOGNISERS), ("face_detector", DETECTORS)):
        for name, part in parts.items():
            for backend, source in AVAILABLE_MODELS[task][name].items():
                module = "retinaface" if name == "retinaface" else source.rpartition(".")[0]
                found = importlib.util.find_spec(module)
                assert found and found.origin
                sources = Path(found.origin).parent.rglob("*.py") if name == "retinaface" else [Path(found.origin)]
                text = "".join(path.read_text("utf-8") for path in sources)
                for files in [part.files[backend]] if backend in part.files else part.files.values():
                    for file in files:
                        assert Path(file).name in text, (name, file)


def test_of_each_file_it_is_known_which_pack_brings_it_or_where_its_makers_publish_it(models):
    catalogue = json.loads((models / "models.json").read_text("utf-8"))
    known = catalogue["by_hand"] | dict.fromkeys(file for files in catalogue["packs"].values() for file in files)
    in_opencv = deepface_models.CASCADES
    wanted = {
        f"{DEEPFACE_WEIGHTS}/{file}"
        for part in (*RECOGNISERS.values(), *DETECTORS.values())
        for files in part.files.values()
        for file in files
        if file not in in_opencv
    }
    assert wanted <= set(known)
    assert all(entry["url"] and entry["licence"] for entry in catalogue["by_hand"].values())
    assert not set(catalogue["by_hand"]) & set(catalogue["files"])


def test_names_are_found_however_they_are_written(models):
    assert specify_deepface("sface", "YuNet", "onnx", 0, models) == specify_deepface(
        "SFace", "yunet", "onnx", 0, models
    )


@pytest.mark.parametrize(
    ("wanted", "kind", "told"),
    [
        (("Facenet521", "yunet", "onnx"), ModelsError, "no model called 'Facenet521'. Did you mean Facenet512?"),
        (("SFace", "yunnet", "onnx"), ModelsError, "no detector called 'yunnet'. Did you mean yunet?"),
        (("SFace", "yunet", "tensorflow"), UsageError, "SFace does not run on tensorflow. Leave --backend out"),
        (("SFace", "opencv", "onnx"), ModelsError, "Choose another one, for example --detector yunet."),
        (("SFace", "ssd", "onnx"), ModelsError, "Choose another one, for example --detector yunet."),
        (("SFace", "mediapipe", "onnx"), ModelsError, "needs mediapipe, which no pack of this program brings"),
        (("SFace", "yolov11n", "onnx"), ModelsError, "pip install --no-deps --target lib/vendor/PLATFORM+ultralytics"),
        (("ArcFace", "yunet", "pytorch"), ModelsError, "needs torch, which no pack of this program brings"),
    ],
)
def test_what_cannot_be_had_is_told_with_the_remedy(models, wanted, kind, told):
    assert told in complaint(kind, *wanted, models=models)


@pytest.mark.parametrize(
    ("wanted", "library", "pack"),
    [
        (("Facenet512", "mtcnn", "onnx"), "mtcnn", "tensorflow"),
        (("Facenet512", "yunet", "tensorflow"), "tensorflow", "tensorflow"),
        (("Dlib", "yunet", "onnx"), "dlib", "dlib"),
        (("SFace", "yunet", "onnx"), "deepface", "deepface"),
    ],
)
def test_a_missing_pack_is_told_with_the_command_that_adds_it(models, monkeypatch, wanted, library, pack):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else there(name))
    told = complaint(ModelsError, *wanted, models=models)
    assert library in told
    assert f"python3 bootstrap/build.py --with {pack}" in told


def test_a_missing_file_of_a_pack_is_told_with_size_licence_and_command(tmp_path, models):
    shutil.copy(models / "models.json", tmp_path)
    told = complaint(ModelsError, "SFace", "yunet", "onnx", models=tmp_path)
    assert "face_detection_yunet_2023mar.onnx is missing (0.2 MB, licence: MIT)" in told
    assert told.endswith("python3 bootstrap/build.py --with deepface")


def test_a_missing_file_that_no_pack_brings_is_told_with_where_to_put_it(models):
    told = complaint(ModelsError, "ArcFace", "yunet", "onnx", models=models)
    assert str(models / DEEPFACE_WEIGHTS / "arcface_weights.onnx") in told
    assert "Download it by hand from" in told


def test_nothing_is_downloaded_even_where_a_file_disappears_after_the_check(tmp_path, spec, monkeypatch):
    def connect(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(ModelsError, match="is missing, and nothing is downloaded during a search"):
        load.__wrapped__(replace(spec, model="ArcFace", models=tmp_path))


def test_the_thresholds_are_the_librarys_in_each_measure_but_for_the_seeds_pair():
    assert deepface_thresholds("SFace", "yunet", COSINE) == pytest.approx((0.593, 0.6523))
    sure, _ = deepface_thresholds("sface", "yunet", MEASURES["euclidean_l2"])
    assert MEASURES["euclidean_l2"].of_cosine(sure) == pytest.approx(1.055)
    sure, _ = deepface_thresholds("Dlib", "yunet", MEASURES["angular"])
    assert MEASURES["angular"].of_cosine(sure) == pytest.approx(0.12)
    assert deepface_thresholds("Facenet512", None, COSINE) == (0.20, 0.30)
    assert deepface_thresholds("Facenet512", "yunet", COSINE)[0] == 0.30


def test_each_measure_tells_the_distance_of_two_unit_vectors():
    first, second = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    cosine = 1 - float(first @ second)
    told = {name: measure.of_cosine(cosine) for name, measure in MEASURES.items()}
    angle = np.arccos(first @ second) / np.pi
    assert told == pytest.approx({"cosine": 0.4, "euclidean_l2": np.linalg.norm(first - second), "angular": angle})
    for name, measure in MEASURES.items():
        assert measure.to_cosine(told[name]) == pytest.approx(cosine)
        assert measure.of_cosine(-1e-7) == pytest.approx(0, abs=1e-3)  # of one vector with itself, by rounding


def test_everything_that_changes_an_answer_is_in_the_key(models, spec):
    from deepface import __version__

    assert all(part in spec.key for part in ("deepface", __version__, "SFace", "yunet", "onnx"))
    assert spec.key != specify_deepface("SFace", "yunet", "onnx", 40, models).key
    weights = models / DEEPFACE_WEIGHTS
    assert weights.is_dir()


def test_a_face_is_described_as_promised(album, analyzer, spec):
    data = (album / PORTRAIT).read_bytes()
    analysis = analyzer.analyse(data)
    assert (analysis.width, analysis.height) == (910, 1137)
    [face] = analysis.faces
    left, top, width, height = face.box
    assert 320 < left < 420
    assert 40 < top < 140
    assert 180 < width < 290
    assert 250 < height < 400
    assert 0.9 <= face.score <= 1
    assert face.sharpness > 50
    assert face.vector.dtype == face.landmarks.dtype == np.float32
    assert np.linalg.norm(face.vector) == pytest.approx(1, abs=1e-5)
    # As the native engine has them: eyes, nose and corners of the mouth, from left to right in the picture.
    eye, other_eye, nose, mouth, other_mouth = face.landmarks
    assert eye[0] < nose[0] < other_eye[0]
    assert mouth[0] < nose[0] < other_mouth[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])
    [of_frame] = analyzer.faces_in(open_photo(data).pixels(1.0))
    np.testing.assert_array_equal(of_frame.vector, face.vector)
    assert load(replace(spec, min_face=400)).analyse(data).faces == []


def test_the_pixels_are_those_that_the_library_reads_itself(album):
    """Also of a photo that EXIF turns: today's OpenCV, by which DeepFace reads, turns it too."""
    for path in [*album.rglob("*.jpg")][:6]:
        theirs = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        assert theirs is not None
        np.testing.assert_array_equal(open_photo(path.read_bytes()).pixels(1.0)[:, :, ::-1], theirs)
