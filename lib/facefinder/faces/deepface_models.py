"""The registry of what DeepFace 0.0.103 registers: a name -> its files, the libraries it needs, and its thresholds.

DeepFace fetches what is missing by itself. Here that is found out before a search, and said with the remedy.
"""

import difflib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2

from facefinder.errors import ModelsError, UsageError
from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.faces.measures import COSINE, Measure
from facefinder.faces.models import DEEPFACE_WEIGHTS, check_files

# Raise this when the way from a photo to DeepFace's functions changes.
REVISION = 1

# Back end -> the library that it is.
BACKENDS = MappingProxyType({"onnx": "onnxruntime", "tensorflow": "tensorflow", "pytorch": "torch"})
DEFAULT_BACKEND = "onnx"
DEFAULT_MODEL = "Facenet512"
DEFAULT_DETECTOR = "mtcnn"

# Library -> the pack that brings it. Others have to be put beside the packs by hand.
PACKS = MappingProxyType(
    {"deepface": "deepface", "dlib": "dlib"} | dict.fromkeys(("tensorflow", "tf_keras", "mtcnn"), "tensorflow")
)
# Library -> the package that brings it, where the names differ.
PACKAGES = MappingProxyType({"facenet_pytorch": "facenet-pytorch"})


@dataclass(frozen=True)
class Part:
    """A recogniser or a detector.

    files: back end -> its files in DEEPFACE_WEIGHTS; only these back ends run it. libraries: what it needs besides its
    back end. eyes: whether it marks the eyes; DeepFace lets the detector `opencv` look for them if not.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    libraries: tuple[str, ...] = ()
    eyes: bool = True


def _network(name: str, stem: str, keras: str = "") -> Part:
    """A recogniser that runs on each back end."""
    keras = keras or f"{stem}.h5"
    return Part(name, {"onnx": (f"{stem}.onnx",), "tensorflow": (keras,), "pytorch": (f"{stem}.pth",)})


def _anywhere(name: str, *files: str, libraries: tuple[str, ...] = (), eyes: bool = True) -> Part:
    """A detector that brings its own way to run, whatever the back end."""
    return Part(name, dict.fromkeys(BACKENDS, files), libraries, eyes)


def _named(*parts: Part) -> Mapping[str, Part]:
    return MappingProxyType({part.name: part for part in parts})


RECOGNISERS = _named(
    _network("VGG-Face", "vgg_face_weights"),
    _network("Facenet", "facenet_weights"),
    _network("Facenet512", "facenet512_weights"),
    _network("OpenFace", "openface_weights"),
    _network("DeepFace", "VGGFace2_DeepFace_weights_val-0.9034"),
    _network("DeepID", "deepid_weights", "deepid_keras_weights.h5"),
    Part("Dlib", {DEFAULT_BACKEND: ("dlib_face_recognition_resnet_model_v1.dat",)}, ("dlib",)),
    _network("ArcFace", "arcface_weights"),
    Part("SFace", {"onnx": ("face_recognition_sface_2021dec.onnx",)}),
    _network("GhostFaceNet", "ghostfacenet_v1"),
    Part("Buffalo_L", {"onnx": ("buffalo_l/webface_r50.onnx",)}, ("insightface",)),
)

CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_eye.xml")

DETECTORS = _named(
    _anywhere("opencv", *CASCADES),
    _anywhere("ssd", "deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel", eyes=False),
    _anywhere("dlib", "shape_predictor_5_face_landmarks.dat", libraries=("dlib",)),
    _anywhere("mtcnn", libraries=("mtcnn", "tensorflow")),
    _anywhere("fastmtcnn", libraries=("facenet_pytorch", "torch")),
    Part(
        "retinaface",
        {"onnx": ("retinaface.onnx",), "tensorflow": ("retinaface.h5",), "pytorch": ("retinaface.pth",)},
        ("retinaface",),
    ),
    _anywhere("mediapipe", libraries=("mediapipe",)),
    *(
        _anywhere(f"yolo{size}", f"yolo{size}-face.pt", libraries=("ultralytics",), eyes=size.startswith("v8"))
        for size in ("v8n", "v8m", "v8l", "v11n", "v11s", "v11m", "v11l", "v12n", "v12s", "v12m", "v12l")
    ),
    _anywhere("yunet", "face_detection_yunet_2023mar.onnx"),
    _anywhere("centerface", "centerface.onnx"),
)

# The pair of the seed that this program grew out of had a stricter threshold than DeepFace has: cosine .20.
SEED_PAIR, SEED_THRESHOLD = ("Facenet512", "mtcnn"), 0.20
# DeepFace knows one threshold. What lies this much further is laid aside for a look.
MAYBE = 1.1


def specify_deepface(model: str, detector: str | None, backend: str, min_face: int, models: Path) -> AnalyzerSpec:
    """Check that DeepFace can do what is asked for, without its help from the network, and describe the analyzer.

    detector: None for the one of the default pair. min_face: smaller faces are left out; 0: none, as in DeepFace.find.
    Raises ModelsError, UsageError.
    """
    recogniser, finder = _pair(model, detector)
    if backend not in recogniser.files:
        others = " or ".join(recogniser.files)
        raise UsageError(
            f"{recogniser.name} does not run on {backend}. Leave --backend out, or say --backend {others}."
        )
    _check_libraries(["deepface", *_libraries(backend), *recogniser.libraries, *finder.libraries])
    _check_opencv(finder)
    files = [f"{DEEPFACE_WEIGHTS}/{file}" for file in (*finder.files[backend], *recogniser.files[backend])]
    digests = check_files(models, files)

    from deepface import __version__ as version

    key = f"deepface/{version}/{REVISION} {finder.name}+{recogniser.name} {backend} {digests} min_face={min_face}"
    return AnalyzerSpec(
        recogniser.name, min_face, models, key, engine="deepface", detector=finder.name, backend=backend
    )


def deepface_thresholds(model: str, detector: str | None, measure: Measure) -> tuple[float, float]:
    """(sure, maybe) as cosine distances: what DeepFace has for this model in this measure, and a little further.

    Raises ModelsError.
    """
    recogniser, finder = _pair(model, detector)
    _check_libraries(["deepface"])
    from deepface.config.threshold import thresholds

    own = measure.to_cosine(thresholds[recogniser.name][measure.name])
    if (recogniser.name, finder.name) == SEED_PAIR and measure is COSINE:
        return SEED_THRESHOLD, own
    return own, own * MAYBE


def _pair(model: str, detector: str | None) -> tuple[Part, Part]:
    return _find(model, RECOGNISERS, "model"), _find(detector or DEFAULT_DETECTOR, DETECTORS, "detector")


def _find(name: str, parts: Mapping[str, Part], kind: str) -> Part:
    """Look a part up, however its name is written. Raises ModelsError with the nearest name."""
    by_name = {known.lower(): part for known, part in parts.items()}
    if part := by_name.get(name.lower()):
        return part
    near = difflib.get_close_matches(name.lower(), by_name, n=1)
    hint = f" Did you mean {by_name[near[0]].name}?" if near else ""
    raise ModelsError(f"DeepFace has no {kind} called {name!r}.{hint} It has: {', '.join(parts)}.")


def _libraries(backend: str) -> list[str]:
    return [BACKENDS[backend], *(["tf_keras"] if backend == "tensorflow" else [])]


def _check_libraries(libraries: Iterable[str]) -> None:
    missing = [library for library in dict.fromkeys(libraries) if importlib.util.find_spec(library) is None]
    if not missing:
        return
    packs = dict.fromkeys(PACKS[library] for library in missing if library in PACKS)
    if packs:
        command = " ".join(f"--with {pack}" for pack in packs)
        raise ModelsError(
            f"This needs {_listed(missing)}, which is not on this stick. On a computer with internet, this\n"
            f"adds it:  python3 bootstrap/build.py {command}"
        )
    package = PACKAGES.get(missing[0], missing[0])
    raise ModelsError(
        f"This needs {_listed(missing)}, which no pack of this program brings. Whoever wants it puts it beside\n"
        f"the packs, in lib/vendor/PLATFORM+{package} (PLATFORM as in the folders there):\n"
        f"  python3 -m pip install --no-deps --target lib/vendor/PLATFORM+{package} {package}\n"
        "and the packages that it depends on in the same way."
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)


def _check_opencv(detector: Part) -> None:
    """Some detectors are made of what OpenCV 5 has no more."""
    if detector.name == "ssd" and not hasattr(cv2.dnn, "readNetFromCaffe"):
        needs = "read Caffe models"
    elif (detector.name == "opencv" or not detector.eyes) and not hasattr(cv2, "CascadeClassifier"):
        needs = "find faces and eyes with Haar cascades"
    else:
        return
    raise ModelsError(
        f"DeepFace's detector {detector.name} needs an OpenCV that can {needs}; OpenCV {cv2.__version__}, which is\n"
        "on this stick, cannot. Choose another one, for example --detector yunet."
    )
