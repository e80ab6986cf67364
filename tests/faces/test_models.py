"""Only the model files that were measured are used; what is wrong with others is said, and what to do."""

import json
import shutil
from pathlib import Path

import pytest

from facefinder.errors import ModelsError
from facefinder.faces.analyzer import specify, with_all_pictures
from facefinder.faces.models import RECOGNISERS, YUNET, check_files, recogniser


@pytest.fixture
def stick(tmp_path: Path, models: Path) -> Path:
    """A folder of models with the detector alone."""
    for name in ("models.json", YUNET.file):
        shutil.copy(models / name, tmp_path)
    return tmp_path


def complaint(models: Path, file: str) -> str:
    with pytest.raises(ModelsError) as error:
        check_files(models, [file])
    assert error.value.exit_code == 5
    return str(error.value)


def test_one_changed_byte_is_refused_with_the_file_and_the_remedy(stick):
    check_files(stick, [YUNET.file])
    damaged = stick / YUNET.file
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)
    said = complaint(stick, YUNET.file)
    assert str(damaged) in said
    assert "damaged or was changed" in said
    assert "bootstrap/build.py" in said


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("sface", "build.py"),
        ("edgeface", "build.py --with edgeface"),
        ("facenet512", "build.py --with facenet512"),
        ("facenet", "build.py --with facenet"),
    ],
)
def test_a_missing_model_is_named_with_its_licence_and_the_command_that_fetches_it(stick, name, command):
    file = recogniser(name).file
    said = complaint(stick, file)
    assert str(stick / file) in said
    assert said.endswith(f"python3 bootstrap/{command}")
    assert json.loads((stick / "models.json").read_text())["files"][file]["licence"] in said


def test_a_damaged_list_of_models_is_named_with_the_remedy(stick):
    (stick / "models.json").write_text("{")
    said = complaint(stick, YUNET.file)
    assert str(stick / "models.json") in said
    assert "bootstrap/build.py" in said


def test_an_unknown_model_is_answered_with_the_nearest_name(models):
    with pytest.raises(ModelsError, match=r"no model called 'sfase'\. Did you mean sface\? Models: sface, edgeface"):
        specify("sfase", 20, models)
    with pytest.raises(ModelsError, match=r"no model called 'xyz'\. Models: sface"):
        specify("xyz", 20, models)


def test_another_model_or_smallest_face_is_another_analysis(models):
    assert specify("sface", 20, models) == specify("sface", 20, models)
    assert specify("sface", 20, models).key != specify("sface", 40, models).key
    assert specify("sface", 20, models).key != with_all_pictures(specify("sface", 20, models)).key
    sface = RECOGNISERS["sface"]
    assert check_files(models, [sface.file]) in specify("sface", 20, models).key
    assert check_files(models, [YUNET.file]) in specify("sface", 20, models).key
