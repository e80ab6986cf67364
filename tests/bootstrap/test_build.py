"""Set-up as a whole, on a small tree: installs, leaves alone, refuses, verifies and mends."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from build import main
from layout import host_platform
from slim import slim

FREE, CONDITIONAL = b"free weights" * 1000, b"weights with conditions" * 1000
PHOTO = b"a photo" * 100
PACKAGE = {
    "tinypack/__init__.py": b"ANSWER = 42\n",
    "tinypack/tests/test_tinypack.py": b"assert False\n",
    "tinypack/include/tinypack.h": b"int answer;\n",
    "tinypack/fast.pyx": b"cdef int answer\n",
    "tinypack/__init__.pyi": b"ANSWER: int\n",
}


@dataclass
class Tree:
    """A project of one package and two models; `run` is build.py's command line, `home` its vendor folder."""

    root: Path
    cache: Path

    @property
    def home(self) -> Path:
        return self.root / "lib" / "vendor" / host_platform()

    def run(self, *arguments: str) -> int:
        return main(["--cache", str(self.cache), *arguments], self.root)

    def lock(self, wheel: Path) -> None:
        """Pin the package to these bytes."""
        data = wheel.read_bytes()
        line = f"tinypack==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}  # {wheel.name} {len(data)}\n"
        path = self.root / "bootstrap" / "locks" / f"{host_platform()}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line)


@pytest.fixture
def tree(tmp_path, site, index) -> Tree:
    tree = Tree(tmp_path / "my stick", tmp_path / "cache")
    tree.lock(index.wheel("tinypack", "1.0", PACKAGE))
    models = {"free.onnx": FREE, "conditional.onnx": CONDITIONAL}
    site.files |= models
    catalogue = {
        "files": {
            name: {
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "sources": [{"url": site.url(name)}],
            }
            for name, data in models.items()
        },
        "packs": {"default": ["free.onnx"], "edgeface": ["conditional.onnx"]},
        "must_accept": {"edgeface": "You may look at it. You may not touch it."},
    }
    site.files["photo.jpg"] = PHOTO
    photo = {"bytes": len(PHOTO), "sha256": hashlib.sha256(PHOTO).hexdigest()}
    photo["sources"] = [{"url": site.url("photo.jpg")}]
    (tree.root / "bootstrap" / "demo.json").write_text(json.dumps({"photos": {"album/é/photo.jpg": photo}}))
    (tree.root / "models").mkdir()
    (tree.root / "models" / "models.json").write_text(json.dumps(catalogue))
    return tree


def test_one_call_makes_a_clone_ready_and_the_next_leaves_it_alone(tree, site, capsys):
    assert tree.run() == 0
    assert (tree.home / "tinypack" / "__init__.py").is_file()
    assert (tree.root / "models" / "free.onnx").read_bytes() == FREE
    before = {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")}
    capsys.readouterr()
    assert tree.run() == 0
    assert capsys.readouterr().out == "Everything is in place already.\n"
    assert {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")} == before
    assert len(site.requests) == 1


def test_nothing_is_installed_that_no_program_needs(tree):
    tree.run()
    installed = {path.relative_to(tree.home).as_posix() for path in tree.home.rglob("*") if path.is_file()}
    assert installed == {
        "FILES.txt",
        "LOCK.txt",
        "tinypack/__init__.py",
        "tinypack/__pycache__/__init__.cpython-311.pyc",
        "tinypack-1.0.dist-info/METADATA",
        "tinypack-1.0.dist-info/WHEEL",
    }


def test_what_only_looks_needless_stays(tmp_path):
    kept = {"tensorflow/_api/v2/compat/v1/test/__init__.py", "nvidia/cudnn/bin/cudnn64_9.dll"}
    for name in (*kept, "tensorflow/dtensor/python/tests/layout.py", "tensorflow/bin/toco"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    slim(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_bytecode_is_never_compared_with_the_time_of_its_source_and_names_no_place_of_this_machine(tree, tmp_path):
    tree.run()
    bytecode = (tree.home / "tinypack" / "__pycache__" / "__init__.cpython-311.pyc").read_bytes()
    assert bytecode[4:8] == b"\x01\0\0\0"
    assert str(tmp_path).encode() not in bytecode


def test_a_second_build_needs_no_network(tree, site, index):
    tree.run()
    shutil.rmtree(tree.home)
    (tree.root / "models" / "free.onnx").unlink()
    shutil.rmtree(index.folder)
    site.files.clear()
    assert tree.run() == 0
    assert tree.run("--verify") == 0


def test_a_changed_package_is_refused_with_the_name_of_the_file(tree, index, capsys):
    index.wheel("tinypack", "1.0", PACKAGE | {"tinypack/__init__.py": b"ANSWER = 43\n"})
    assert tree.run() == 1
    message = capsys.readouterr().err
    assert "tinypack-1.0-py3-none-any.whl was refused: its bytes are not the pinned ones" in message
    assert "pip config list" in message
    assert not tree.home.exists()


def test_a_new_lock_is_installed_and_what_was_there_goes(tree, index):
    tree.run()
    tree.lock(index.wheel("tinypack", "1.0", {"tinypack/__init__.py": b"", "tinypack/more.py": b""}))
    assert tree.run() == 0
    assert (tree.home / "tinypack" / "more.py").is_file()
    assert sorted(path.name for path in tree.home.parent.iterdir()) == [host_platform()]


def test_verify_names_what_is_missing_changed_and_added_and_again_mends_it(tree, capsys):
    tree.run()
    assert tree.run("--verify") == 0
    missing, changed = tree.home / "tinypack" / "__init__.py", tree.root / "models" / "free.onnx"
    added = tree.home / "tinypack" / "extra.py"
    missing.unlink()
    changed.write_bytes(b"F" + FREE[1:])
    added.touch()
    capsys.readouterr()
    assert tree.run("--verify") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [f"missing: {missing}", f"added:   {added}", f"changed: {changed}"]
    assert lines[-1] == "Not right: 3. To mend it: python3 bootstrap/build.py --again"
    assert tree.run("--again") == 0
    assert tree.run("--verify") == 0


def test_verify_finds_a_clone_that_was_never_set_up(tree, capsys):
    assert tree.run("--verify") == 1
    assert "missing:" in capsys.readouterr().err


def test_a_licence_with_conditions_is_explained_and_nothing_fetched_until_it_is_accepted(tree, site, capsys):
    assert tree.run("--with", "edgeface") == 1
    message = capsys.readouterr().err
    assert "You may look at it. You may not touch it." in message
    assert "python3 bootstrap/build.py --with edgeface --accept-licence" in message
    assert site.requests == []
    assert tree.run("--with", "edgeface", "--accept-licence") == 0
    assert (tree.root / "models" / "conditional.onnx").read_bytes() == CONDITIONAL
    # Accepted once, it is kept up to date without being asked for again.
    (tree.root / "models" / ".complete").unlink()
    assert tree.run() == 0


def test_a_conditional_model_is_never_fetched_unasked(tree, site):
    tree.run()
    assert [path for path, _ in site.requests] == ["free.onnx"]


def test_the_demo_album_comes_on_request_and_what_a_search_left_beside_it_stays(tree):
    tree.run()
    assert not (tree.root / "demo").exists()
    assert tree.run("--demo") == 0
    photo = tree.root / "demo" / "album" / "é" / "photo.jpg"
    assert photo.read_bytes() == PHOTO
    found, foreign = tree.root / "demo" / "found" / "copy.jpg", photo.with_name("not of the album.jpg")
    found.parent.mkdir()
    found.write_bytes(PHOTO)
    foreign.touch()
    assert tree.run("--verify") == 1
    (tree.root / "demo" / ".complete").unlink()
    assert tree.run("--demo") == 0
    assert found.exists() and not foreign.exists()
    assert tree.run("--verify") == 0
