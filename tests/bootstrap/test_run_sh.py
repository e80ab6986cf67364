"""run.sh: sets up when something is missing and only then, from any place, alike on every computer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from layout import ROOT, host_platform

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="run.sh is for Linux and macOS")

# Stands for bootstrap/build.py: notes its arguments and leaves what run.sh looks for.
BUILD = """
import pathlib, shutil, sys
root = pathlib.Path(__file__).resolve().parent.parent
with (root / "builds").open("a") as log: print(*sys.argv[1:], file=log)
print("building")
if (root / "broken").exists(): sys.exit(1)
for lock in (root / "bootstrap" / "locks").glob("*.txt"):
    folder = root / "lib" / "vendor" / lock.stem.replace(".", "+")
    if lock.stem.count(".") == 0 or folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(lock, folder / "LOCK.txt")
shutil.copyfile(root / "models" / "models.json", root / "models" / ".complete")
if "--demo" in sys.argv:
    (root / "demo").mkdir(exist_ok=True)
    shutil.copyfile(root / "bootstrap" / "demo.json", root / "demo" / ".complete")
"""
# Stands for face_finder.py: tells how it was started.
PROGRAM = """
import json, os, sys
settings = [name for name in os.environ if name.startswith("PYTHON")]
flags = [sys.flags.no_user_site, sys.flags.safe_path, sys.flags.dont_write_bytecode]
print(json.dumps({"arguments": sys.argv[1:], "flags": flags, "settings": settings}))
sys.exit(7 if "--seven" in sys.argv else 0)
"""


@dataclass
class Clone:
    """A project of stand-ins around the real run.sh."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        line = list(command) if command[:1] == ("bash",) else ["bash", str(self.root / "run.sh"), *command]
        return subprocess.run(
            line,
            cwd=cwd or self.root.parent,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def builds(self) -> list[str]:
        log = self.root / "builds"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "my stick é")
    clone.write("bootstrap/build.py", BUILD)
    clone.write("face_finder.py", PROGRAM)
    clone.write(f"bootstrap/locks/{host_platform()}.txt", "numpy==1\n")
    clone.write(f"bootstrap/locks/{host_platform()}.deepface.txt", "deepface==1\n")
    clone.write("bootstrap/demo.json", "{}\n")
    clone.write("models/models.json", "{}\n")
    for name in ("run.sh", "bootstrap/host.sh"):
        shutil.copyfile(ROOT / name, clone.root / name)
    return clone


def started(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Return what the program said, which is all that may be on the standard output."""
    assert result.returncode == 0, result.stderr
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_the_first_start_sets_up_and_the_second_goes_straight_to_work(clone):
    first = clone.run("--refs", "a b")
    assert started(first)["arguments"] == ["--refs", "a b"]
    assert "Setting up" in first.stderr and "building" in first.stderr
    second = clone.run()
    assert started(second) and second.stderr == ""
    assert clone.builds() == [""]


@pytest.mark.parametrize("changed", [f"bootstrap/locks/{host_platform()}.txt", "models/models.json"])
def test_changed_pins_set_up_again(clone, changed):
    clone.run()
    clone.write(changed, "changed\n")
    clone.run()
    clone.run()
    assert clone.builds() == ["", ""]


def test_a_pack_out_of_date_sets_up_again_and_one_that_is_not_there_does_not(clone):
    clone.run()
    assert clone.builds() == [""]
    clone.write(f"lib/vendor/{host_platform()}+deepface/LOCK.txt", "deepface==0\n")
    clone.run()
    clone.run()
    assert clone.builds() == ["", ""]


def test_what_a_broken_off_build_left_does_not_set_up_again(clone):
    clone.run()
    clone.write(f"lib/vendor/{host_platform()}+deepface.part/x", "")
    clone.run()
    assert clone.builds() == [""]


def test_the_demo_photos_are_fetched_when_asked_for_and_missing_or_changed(clone):
    clone.run()
    assert "the demo photos" in clone.run("--demo").stderr
    clone.run("--demo")
    clone.write("bootstrap/demo.json", '{"changed": 1}\n')
    clone.run()
    clone.run("--demo")
    assert clone.builds() == ["", "--demo", "--demo"]


def test_a_set_up_that_fails_ends_there(clone):
    clone.write("broken", "")
    result = clone.run()
    assert result.returncode == 1
    assert result.stdout == ""


def test_the_exit_code_is_the_programs(clone):
    clone.run()
    assert clone.run("--seven").returncode == 7


def test_it_starts_from_any_folder_by_any_name(clone, tmp_path):
    clone.run()
    inside = clone.run("bash", "run.sh", "x", cwd=clone.root)
    assert started(inside)["arguments"] == ["x"]
    (tmp_path / "link").symlink_to("my stick é/run.sh")
    assert started(clone.run("bash", "link", "x", cwd=tmp_path))["arguments"] == ["x"]
    sourced = clone.run("bash", "-c", 'source "my stick é/run.sh" x && echo still here >&2', cwd=tmp_path)
    assert started(sourced)["arguments"] == ["x"]
    assert sourced.stderr == "still here\n"


def test_the_computers_own_python_settings_have_no_influence(clone, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('taken from PYTHONPATH')\n")
    clone.environment |= {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONOPTIMIZE": "2"}
    answer = started(clone.run())
    assert answer["flags"] == [1, True, 1]
    assert answer["settings"] == []


def test_the_interpreter_that_travels_with_the_folder_comes_first(clone):
    clone.run()
    bundled = f"python/{host_platform()}/bin/python3.11"
    clone.write(bundled, '#!/bin/sh\necho bundled "$@"\n')
    (clone.root / bundled).chmod(0o755)
    assert clone.run("x").stdout.startswith("bundled -s -P -B ")


def test_without_python_it_says_what_to_install(clone, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    clone.environment["PATH"] = str(tmp_path / "bin")
    result = clone.run()
    assert result.returncode == 2
    assert "Python 3.11 was not found" in result.stderr and "apt install" in result.stderr


def test_once_set_up_nothing_is_started_before_python(clone, tmp_path):
    """A start from a slow stick waits for each program that is read; bash alone can do what run.sh does."""
    clone.run()
    (tmp_path / "bin").mkdir()
    for name in ("bash", "python3.11"):
        (tmp_path / "bin" / name).symlink_to(sys.executable if name != "bash" else shutil.which("bash") or "")
    clone.environment["PATH"] = str(tmp_path / "bin")
    result = clone.run("--demo-not")
    assert started(result) and result.stderr == ""


def test_on_a_stick_nothing_is_checked_or_fetched(clone):
    clone.write("MANIFEST.sha256", "")
    clone.write(f"lib/vendor/{host_platform()}/LOCK.txt", "numpy==0\n")
    assert started(clone.run("x"))["arguments"] == ["x"]
    assert clone.builds() == []


def test_with_nobody_in_refs_the_exit_code_is_still_the_programs(clone):
    clone.run()
    clone.write("face_finder.py", "raise SystemExit(3)")
    clone.environment.pop("DISPLAY", None)
    clone.environment.pop("WAYLAND_DISPLAY", None)
    assert clone.run().returncode == 3
