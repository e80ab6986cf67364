"""The whole program on the engine deepface: the answers of DeepFace.find, quietly, in workers of their own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from PIL import Image

import face_finder
from facefinder.errors import FaceFinderError
from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.faces.deepface_models import specify_deepface
from facefinder.index import Index
from facefinder.media.walk import walk
from facefinder.progress import NoProgress
from facefinder.scan import scan

ROOT = face_finder.HOME
ENGINE = ("--engine", "deepface", "--model", "sface", "--detector", "yunet")
OUR_LINES = ("Looking at photos", "Photos known from before", "Copying")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepface") is None,
    reason="needs the pack deepface: python3 bootstrap/build.py --with deepface",
)

# A module for the workers: a description that tells, once it arrives there, what kind of process that is.
TELLING = """
import json
import os
import sys
from pathlib import Path
from facefinder.faces.analyzer import AnalyzerSpec

SEEN = Path(__file__).parent / "seen"


class TellingSpec(AnalyzerSpec):
    def __reduce__(self):
        fields = (self.model, self.min_face, self.models, self.key)
        return arrive, (*fields, self.device, self.engine, self.detector, self.backend)


def arrive(*description):
    told = {"modules": sorted(sys.modules), "arguments": sys.orig_argv}
    if not (SEEN / str(os.getpid())).exists():
        (SEEN / str(os.getpid())).write_text(json.dumps(told))
    return AnalyzerSpec(*description)
"""


def needs(model: str, detector: str, backend: str, models: Path) -> AnalyzerSpec:
    """The analyzer; skips where its pack or its weights are not there."""
    try:
        return specify_deepface(model, detector, backend, 0, models)
    except FaceFinderError as error:
        pytest.skip(f"{model} with {detector} on {backend}: {error}")


def small_copies(photos: list[Path], to: Path) -> Path:
    to.mkdir()
    for number, path in enumerate(photos):
        with Image.open(path) as image:
            image.thumbnail((400, 400))
            image.save(to / f"{number}.jpg")
    return to


def test_people_are_found_remembered_and_told_in_each_measure(face_finder_command, album, refs, tmp_path):
    def run(*flags: str) -> dict[str, Any]:
        done = face_finder_command("--refs", refs, album, *ENGINE, "--json", "--quiet", *flags)
        result: dict[str, Any] = json.loads(done.stdout)  # and nothing of the library's own lines
        assert done.returncode == 0
        assert all(line.startswith(OUR_LINES) for line in done.stderr.splitlines() if line), done.stderr
        return result

    first, again = run("--copy", str(tmp_path / "out")), run()
    found = {(match["person"], match["sha256"]): match["distance"] for match in first["matches"]}
    assert {person for person, _ in found} == {"Barack Obama", "Jerry Seinfeld"}
    assert first["thresholds"] == {"sure": 0.593, "maybe": pytest.approx(0.6523), "rule": "nearest"}
    assert first["analysed"] > 0
    assert again["analysed"] == 0
    assert (tmp_path / "out" / "Barack Obama" / "IMG_0032.jpg").exists()
    assert min(found.values()) < 0.05  # no margin and no mean, as in DeepFace.find
    told = run("--distance", "euclidean_l2")
    for match in told["matches"]:
        # The threshold that DeepFace has for this measure is a little stricter.
        assert match["distance"] == pytest.approx((2 * found[match["person"], match["sha256"]]) ** 0.5, abs=1e-6)
    assert list((tmp_path / "home").iterdir()) == []


def test_groups_are_made_of_its_vectors(face_finder_command, album, tmp_path):
    folder = tmp_path / "groups"
    done = face_finder_command("groups", album, *ENGINE, "--groups", folder, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faces"] == 39
    assert len(list(folder.rglob("*.jpg"))) >= 30


@pytest.mark.parametrize(
    ("model", "detector", "backend"),
    [("SFace", "yunet", "onnx"), ("Facenet512", "yunet", "onnx"), ("Facenet512", "mtcnn", "onnx")],
)
def test_each_photo_gets_the_answer_of_deepface_find(
    album, refs, people_in_album, models, tmp_path, model, detector, backend
):
    """`tests/bench/parity.py` does the same with more photos and models."""
    needs(model, detector, backend, models)
    parts = {"model": model, "detector": detector, "backend": backend}
    flags = [word for name, value in parts.items() for word in (f"--{name}", value)]
    photos, least_faces = album, 8
    if detector == "mtcnn":  # takes many seconds for a large photo
        known = [*(refs / "Barack Obama").glob("*.jpg")]
        shown = next(album / path for path, people in people_in_album.items() if "Barack Obama" in people)
        photos = small_copies([*known, shown], tmp_path / "photos")
        refs, least_faces = small_copies(known, tmp_path / "Barack Obama"), 3
    done = subprocess.run(
        [sys.executable, "-s", "-B", ROOT / "tests" / "bench" / "parity.py", photos, "--refs", refs, *flags],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["faces"] >= least_faces
    assert figures["of_somebody"] >= 2
    assert (figures["other_verdict"], figures["other_distance"]) == (0, 0), done.stdout
    assert figures["farthest_apart"] <= 1e-4


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes as Linux shows them")
def test_workers_are_started_anew_and_never_forked(tmp_path, album, models, monkeypatch):
    """TensorFlow hangs in a process that was forked from one in which it had been imported."""
    (tmp_path / "telling.py").write_text(TELLING)
    (tmp_path / "seen").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "only_the_parent_has_this", sys)
    import telling  # type: ignore[import-not-found]

    plain = specify_deepface("SFace", "yunet", "onnx", 0, models)
    spec = telling.TellingSpec(**vars(plain))
    get_reusable_executor().shutdown(kill_workers=True)
    try:
        with Index(None, spec.key, "here") as index:
            assert scan(walk([album / "Stage & screen"]), index, spec, 2, NoProgress()).faces > 0
    finally:
        get_reusable_executor().shutdown(kill_workers=True)
    workers = [json.loads(path.read_text()) for path in (tmp_path / "seen").iterdir()]
    assert workers
    for worker in workers:
        assert "only_the_parent_has_this" not in worker["modules"]
        assert "deepface" not in worker["modules"]  # when it begins; it imports its own
        assert "loky" in " ".join(worker["arguments"])


VECTORS = """
import sys
import face_finder
face_finder.use_bundle()
import numpy as np
from pathlib import Path
from facefinder.faces.analyzer import load
from facefinder.faces.deepface_models import specify_deepface
model, backend, models, photos, out = sys.argv[1:]
analyzer = load(specify_deepface(model, "yunet", backend, 0, Path(models)))
paths = sorted(Path(photos).glob("*.jpg"))
np.save(out, np.stack([face.vector for path in paths for face in analyzer.analyse(path.read_bytes()).faces]))
"""


def test_tensorflow_and_onnx_give_a_model_the_same_vectors(album, models, tmp_path):
    vectors = []
    for backend in ("onnx", "tensorflow"):
        needs("Facenet512", "yunet", backend, models)
        out = tmp_path / f"{backend}.npy"
        words = ["Facenet512", backend, models, album / "Stage & screen", out]
        done = subprocess.run(
            [sys.executable, "-s", "-B", "-c", VECTORS, *map(str, words)],
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        vectors.append(np.load(out))
    assert len(vectors[0]) >= 8
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-3)
