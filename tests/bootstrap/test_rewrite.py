"""The rewritten models compute what the published ones compute, on real faces and on noise.

Tolerances: float32 sums in another order change a unit vector by some 1e-7; 1e-5 moves no match.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from layout import default_cache
from record import sha256_of

ROOT = Path(__file__).resolve().parents[2]
CROPS = ROOT.parent / "shared" / "photos" / "press-crops"
PUBLISHED = {"sface": "face_recognition_sface_2021dec.onnx", "yunet": "face_detection_yunet_2023mar.onnx"}
FACES = 64
FEW = 8  # for larger networks

Images = NDArray[np.float32]
ModelFiles = dict[str, Path]


@pytest.fixture(scope="session")
def model_files() -> ModelFiles:
    folder = os.environ.get("FACE_FINDER_TEST_MODELS")
    if not folder:
        pytest.skip("FACE_FINDER_TEST_MODELS does not name a folder with the published and the rewritten models")
    names = [*PUBLISHED.values(), *(f"{recipe}.onnx" for recipe in PUBLISHED)]
    return {name: Path(folder) / name for name in names}


def session(path: Path, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, images: Images) -> dict[str, Images]:
    """All outputs by name."""
    names = [output.name for output in model.get_outputs()]
    return dict(zip(names, model.run(names, {model.get_inputs()[0].name: images}), strict=True))


def noise(count: int, height: int, width: int) -> Images:
    return np.random.default_rng(0).uniform(0, 255, (count, 3, height, width)).astype(np.float32)


@pytest.fixture(scope="module", params=["faces", "noise"])
def crops(request: pytest.FixtureRequest) -> Images:
    """(64, 3, 112, 112) float32, 0 to 255."""
    if request.param == "noise":
        return noise(FACES, 112, 112)
    paths = sorted(CROPS.glob("*/*.jpg"))
    if not paths:
        pytest.skip("shared/photos/press-crops is not beside the checkout")
    images = []
    for path in paths[:: len(paths) // FACES][:FACES]:
        with Image.open(path) as image:
            width, height = image.size
            face = image.convert("RGB").crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))
            images.append(np.asarray(face.resize((112, 112)), np.float32).transpose(2, 0, 1))
    return np.stack(images)


def as_photo(crops: Images, height: int, width: int) -> Images:
    """(1, 3, height, width): crops side by side."""
    rows, columns = -(-height // 112), -(-width // 112)
    tiles = np.resize(crops, (rows, columns, 3, 112, 112)).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(tiles.reshape(1, 3, rows * 112, columns * 112)[:, :, :height, :width])


def embeddings(model: onnxruntime.InferenceSession, crops: Images, batch: int) -> Images:
    """(N, D) float32 unit vectors."""
    name = model.get_outputs()[0].name
    batches = [run(model, crops[start : start + batch])[name] for start in range(0, len(crops), batch)]
    vectors = np.concatenate(batches)
    unit: Images = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def assert_same_embeddings(actual: Images, expected: Images) -> None:
    assert np.abs(actual - expected).max() <= 1e-5
    assert (actual.astype(np.float64) * expected).sum(axis=1).min() >= 1 - 1e-6


def assert_same_outputs(actual: dict[str, Images], expected: dict[str, Images]) -> None:
    assert set(actual) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(actual[name], values, atol=1e-5, rtol=1e-5, err_msg=name)


def test_sface_gives_the_embeddings_of_the_published_model(model_files: ModelFiles, crops: Images) -> None:
    published = session(model_files[PUBLISHED["sface"]])
    rewritten = session(model_files["sface.onnx"])
    assert_same_embeddings(embeddings(rewritten, crops, 1), embeddings(published, crops, 1))


@pytest.mark.parametrize("batch", [3, 8, FACES])
def test_sface_gives_the_same_in_a_batch_as_alone(model_files: ModelFiles, crops: Images, batch: int) -> None:
    rewritten = session(model_files["sface.onnx"])
    assert_same_embeddings(embeddings(rewritten, crops, batch), embeddings(rewritten, crops, 1))


def test_yunet_gives_the_outputs_of_the_published_model(model_files: ModelFiles, crops: Images) -> None:
    photo = as_photo(crops, 640, 640)
    published = run(session(model_files[PUBLISHED["yunet"]]), photo)
    assert published["cls_32"].shape == (1, 400, 1)
    assert_same_outputs(run(session(model_files["yunet.onnx"]), photo), published)


@pytest.mark.parametrize(("height", "width"), [(32, 64), (320, 320), (480, 640), (960, 1280)])
def test_yunet_gives_the_same_at_other_sizes(
    model_files: ModelFiles, crops: Images, height: int, width: int, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is needed to change the fixed size of the published model")
    model = onnx.load(model_files[PUBLISHED["yunet"]])
    for axis, size in ((2, height), (3, width)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    for output in model.graph.output:
        output.type.ClearField("tensor_type")
        output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, tmp_path / "resized.onnx")
    photo = as_photo(crops, height, width)
    assert_same_outputs(run(session(model_files["yunet.onnx"]), photo), run(session(tmp_path / "resized.onnx"), photo))


def test_yunet_takes_several_photos_at_once(model_files: ModelFiles) -> None:
    rewritten = session(model_files["yunet.onnx"])
    photos = noise(3, 160, 224)
    alone = [run(rewritten, photos[index : index + 1]) for index in range(3)]
    together = {name: np.concatenate([outputs[name] for outputs in alone]) for name in alone[0]}
    assert together["kps_8"].shape == (3, 20 * 28, 10)
    assert_same_outputs(run(rewritten, photos), together)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_rewritten_file_serves_every_cpu(model_files: ModelFiles, recipe: str) -> None:
    """Only standard operators: none that onnxruntime makes for the CPU at hand."""
    assert b"com.microsoft" not in model_files[f"{recipe}.onnx"].read_bytes()


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_onnxruntime_keeps_the_whole_network_in_its_blocked_layout(
    model_files: ModelFiles, recipe: str, tmp_path: Path
) -> None:
    """This is what makes it fast; an onnxruntime that stops doing so should be noticed."""
    onnx = pytest.importorskip("onnx", reason="onnx is needed to read the graph that onnxruntime runs")
    session(model_files[f"{recipe}.onnx"], tmp_path / "optimized.onnx")
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    if not any(node.domain == "com.microsoft.nchwc" for node in nodes):
        pytest.skip("this onnxruntime has no blocked layout on this CPU")
    assert {node.domain for node in nodes if node.op_type == "Conv"} == {"com.microsoft.nchwc"}
    assert not any(node.op_type == "ReorderInput" for node in nodes)
    assert sum(node.op_type == "ReorderOutput" for node in nodes) == {"sface": 1, "yunet": 3}[recipe]


def rewrite(recipe: str, source: Path, destination: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bootstrap" / "rewrite.py"), recipe, str(source), str(destination)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_same_source_gives_the_same_bytes(model_files: ModelFiles, recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is needed to rewrite a model")
    result = rewrite(recipe, model_files[PUBLISHED[recipe]], tmp_path / "again.onnx")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "again.onnx").read_bytes() == model_files[f"{recipe}.onnx"].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.onnx"]


def test_edgeface_gives_the_published_embeddings_also_in_a_batch(
    model_files: ModelFiles, crops: Images, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="onnx is needed to rewrite a model")
    source = model_files[PUBLISHED["sface"]].with_name("edgeface_s_gamma_05.onnx")
    if not source.exists():
        pytest.skip("EdgeFace is opt-in and was not asked for")
    result = rewrite("edgeface", source, tmp_path / "edgeface.onnx")
    assert result.returncode == 0, result.stderr
    scaled = crops / np.float32(127.5) - 1
    expected = embeddings(session(source), scaled, 1)
    for batch in (1, 8):
        assert_same_embeddings(embeddings(session(tmp_path / "edgeface.onnx"), scaled, batch), expected)


def facenet(file: str) -> tuple[dict[str, Any], Path]:
    """The entry of models.json for one of Facenet's files, and the file that it is made from; skips without that."""
    files = json.loads((ROOT / "models" / "models.json").read_text("utf-8"))["files"]
    entry = files[f"deepface/.deepface/weights/{file}"]
    source = default_cache() / "sha256" / files[entry["made_from"]]["sha256"]
    if not source.is_file():
        pytest.skip(f"{entry['made_from']} is not in the cache: python3 bootstrap/build.py --with facenet512")
    return entry, source


@pytest.mark.parametrize("file", ["facenet512_weights.onnx", "facenet512_weights.h5", "facenet_weights.onnx"])
def test_facenet_is_made_from_what_was_published_with_the_pinned_bytes(file: str, tmp_path: Path) -> None:
    entry, source = facenet(file)
    result = rewrite(entry["recipe"], source, tmp_path / "again")
    assert result.returncode == 0, result.stderr
    assert sha256_of(tmp_path / "again") == entry["sha256"]


FROZEN_GRAPH = """
import sys
import face_finder
face_finder.use_bundle()
import numpy as np
import tensorflow as tf
source, images, vectors = sys.argv[1:]
graph = tf.compat.v1.GraphDef.FromString(open(source, "rb").read())
with tf.Graph().as_default():
    tf.import_graph_def(graph, name="")
    with tf.compat.v1.Session() as session:
        np.save(vectors, session.run("embeddings:0", {"input:0": np.load(images), "phase_train:0": False}))
"""


def test_facenet512_gives_the_vectors_of_the_frozen_graph_that_it_was_made_from(crops: Images, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow runs that graph: python3 bootstrap/build.py --with tensorflow")
    made = ROOT / "models" / "deepface" / ".deepface" / "weights" / "facenet512_weights.onnx"
    if not made.is_file():
        pytest.skip("Facenet512 was not asked for: python3 bootstrap/build.py --with facenet512")
    _, source = facenet(made.name)
    large = [cv2.resize(crop.transpose(1, 2, 0), (160, 160)) / np.float32(127.5) - 1 for crop in crops[:FEW]]
    images = np.stack(large).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    words = [str(source), str(tmp_path / "images.npy"), str(tmp_path / "vectors.npy")]
    command = [sys.executable, "-s", "-B", "-c", FROZEN_GRAPH, *words]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, check=True, timeout=300)
    expected = np.load(tmp_path / "vectors.npy")
    assert expected.shape == (FEW, 512)
    for batch in (1, FEW):
        assert_same_embeddings(embeddings(session(made), images, batch), expected)


@pytest.mark.parametrize(
    ("recipe", "other"),
    [
        *(("sface", "yunet"), ("yunet", "sface"), ("edgeface", "sface")),
        *(("facenet", "sface"), ("facenet512", "sface"), ("facenet512_keras", "yunet")),
    ],
)
def test_another_model_is_refused_and_nothing_written(
    model_files: ModelFiles, recipe: str, other: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="onnx is needed to rewrite a model")
    result = rewrite(recipe, model_files[PUBLISHED[other]], tmp_path / "wrong.onnx")
    assert result.returncode == 1
    assert "is not the model" in result.stderr
    assert not list(tmp_path.iterdir())
