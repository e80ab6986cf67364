"""The Linux build: runs without a network, without Python, from any file system, moved, renamed and write-protected."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layout import ROOT, host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tries the Linux build")
DEMO = "--demo --jobs 2 --quiet --json"
# Nothing of this computer's settings; a home without photos.
CLEAN = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def run(line: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in a clean environment."""
    home.mkdir(exist_ok=True, parents=True)
    return subprocess.run(
        ["bash", "-c", line], env=CLEAN | {"HOME": str(home)} | more, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def people(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return how many photos of each person were found."""
    assert result.returncode == 0, result.stderr
    matches = json.loads(result.stdout)["matches"]
    names = [match["person"] for match in matches]
    return {name: names.count(name) for name in sorted(set(names))}


EXPECTED = {"Barack Obama": 4, "Jerry Seinfeld": 7}


def needs(*programs: str, root: bool = True) -> None:
    if root and os.geteuid():
        pytest.skip("needs root")
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"needs {program}")


def in_own_mounts(line: str, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line that mounts things, which are gone afterwards."""
    needs("unshare", "mount")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this computer does not let mounts be made")
    quoted = line.replace("'", "'\\''")
    return run(f"unshare -m bash -c '{quoted}'", tmp_path / "home", **more)


def test_it_runs_on_its_own_interpreter_without_a_network_moved_and_renamed_in_between(stick, tmp_path):
    needs("unshare")
    first = run(f"unshare -n bash '{stick}/run.sh' {DEMO}", tmp_path / "home")
    assert people(first) == EXPECTED
    moved = tmp_path / "moved" / "to another place"
    moved.parent.mkdir()
    stick.rename(moved)
    second = run(f"unshare -n bash '{moved}/run.sh' {DEMO}", tmp_path / "home")
    assert people(second) == EXPECTED
    assert json.loads(second.stdout)["analysed"] == 0
    assert list((tmp_path / "home").iterdir()) == []


def test_it_runs_with_an_empty_environment(stick):
    result = subprocess.run(
        ["env", "-i", "/bin/bash", stick / "run.sh", *DEMO.split()], capture_output=True, text=True, check=False
    )
    assert people(result) == EXPECTED


def test_it_runs_in_a_bare_root(stick, tmp_path):
    """Bash, cp, all of libc; and libstdc++, which comes with every desktop and which the packages take from there."""
    needs("unshare", "chroot")
    root = tmp_path / "root"
    for program in ("/bin/bash", "/bin/uname"):
        wanted = [program, *libraries_of(program)]
        for path in wanted:
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path[1:])
    found = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout.splitlines()
    for name in (
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libm.so.6",
        "libmvec.so.1",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libutil.so.1",
    ):
        source = next(line.split("=> ")[1] for line in found if line.split()[0] == name and "x86-64" in line)
        (root / source[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / source[1:])
    for folder in ("stick", "dev", "proc", "tmp", "home"):
        (root / folder).mkdir()
    line = f"mount --bind '{stick}' '{root}/stick'; mount --rbind /dev '{root}/dev'; mount -t proc proc '{root}/proc'; "
    line += f"exec env -i HOME=/home $(command -v chroot) '{root}' /bin/bash /stick/run.sh {DEMO}"
    assert people(in_own_mounts(line, tmp_path)) == EXPECTED


def libraries_of(program: str) -> list[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return [word for word in said.split() if word.startswith("/")]


def test_settings_and_packages_of_the_hosts_python_have_no_influence(stick, tmp_path):
    poison = tmp_path / "poison"
    for folder in (poison, tmp_path / "home/.local/lib/python3.11/site-packages"):
        folder.mkdir(parents=True)
        for name in ("numpy", "json", "sitecustomize", "usercustomize"):
            (folder / f"{name}.py").write_text("raise SystemExit(77)")
    settings = {"PYTHONPATH": str(poison), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": str(poison / "json.py")}
    result = run(f"cd '{poison}'; bash '{stick}/run.sh' {DEMO}", tmp_path / "home", **settings)
    assert people(result) == EXPECTED


def test_a_mount_without_execute_permission_is_told_and_a_copy_is_used_and_deleted(stick, tmp_path):
    (tmp_path / "temporary").mkdir()
    line = f"mount --bind '{stick}' '{stick}'; mount -o remount,bind,noexec '{stick}'; bash '{stick}/run.sh' {DEMO}"
    result = in_own_mounts(line, tmp_path, TMPDIR=str(tmp_path / "temporary"))
    assert people(result) == EXPECTED
    assert "may not be started here. Copying" in result.stderr
    assert list((tmp_path / "temporary").iterdir()) == []
    assert (stick / "index.sqlite").is_file()


def test_the_copy_is_used_with_the_hosts_python_too(stick, tmp_path):
    shutil.rmtree(stick / "python")
    line = f"mount --bind '{stick}' '{stick}'; mount -o remount,bind,noexec '{stick}'; bash '{stick}/run.sh' {DEMO}"
    path = f"{Path(os.path.realpath(sys.executable)).parent}:/usr/bin:/bin"
    result = in_own_mounts(line, tmp_path, PATH=path)
    assert people(result) == EXPECTED
    assert "may not be started here. Copying" in result.stderr


def test_a_write_protected_stick_searches_says_where_the_index_is_and_copies_nothing(stick, tmp_path):
    shutil.copytree(stick / "demo" / "refs", stick / "refs", dirs_exist_ok=True)
    shutil.copytree(stick / "demo" / "album", tmp_path / "home" / "Pictures")
    line = f"mount --bind '{stick}' '{stick}'; mount -o remount,bind,ro '{stick}'; bash '{stick}/run.sh'"
    result = in_own_mounts(line, tmp_path)
    assert result.returncode == 0, result.stderr
    index = tmp_path / "home" / ".cache" / "face-finder" / "index.sqlite"
    assert index.is_file()
    assert f"cannot be written to. What is found out about the photos is kept in\n  {index}" in result.stderr
    assert "nothing is copied" in result.stderr and "run.sh --copy FOLDER" in result.stderr


def test_without_flags_it_looks_for_everyone_in_refs_and_copies_to_found_on_the_stick(stick, tmp_path):
    shutil.copytree(stick / "demo" / "refs", stick / "refs", dirs_exist_ok=True)
    shutil.copytree(stick / "demo" / "album", tmp_path / "home" / "Pictures")
    result = run(f"bash '{stick}/run.sh'", tmp_path / "home")
    assert result.returncode == 0, result.stderr
    found = stick / "found" / platform.node()
    assert {folder.name: len(list(folder.glob("*.*"))) for folder in found.iterdir() if folder.is_dir()} == EXPECTED


def test_with_nobody_in_refs_it_says_what_to_put_there(stick, tmp_path):
    (tmp_path / "home" / "Pictures").mkdir(parents=True)
    result = run(f"bash '{stick}/run.sh'", tmp_path / "home")
    assert result.returncode == 3
    assert "There are no photos in" in result.stderr and "Make a folder with the person's name" in result.stderr


def test_it_runs_from_exfat(master, tmp_path):
    needs("mkfs.exfat", "losetup", "truncate")
    image, mount = tmp_path / "stick.img", tmp_path / "mnt"
    mount.mkdir()
    line = f"""
        truncate -s 2G '{image}' && mkfs.exfat '{image}' >&2 && loop=$(losetup -f --show '{image}') || exit 99
        mount -t exfat $loop '{mount}' || mount.exfat-fuse $loop '{mount}' >&2 || {{ losetup -d $loop; exit 99; }}
        cp -r '{master}'/. '{mount}' && bash '{mount}/run.sh' {DEMO}
        code=$?
        for attempt in 1 2 3 4 5; do umount '{mount}' && break; sleep 1; done  # the last worker may still be ending
        while pgrep -f "exfat-fuse $loop" >/dev/null && [ $((waited += 1)) -lt 20 ]; do sleep 0.5; done
        losetup -d $loop
        exit $code"""
    result = in_own_mounts(line, tmp_path)
    if result.returncode == 99:
        pytest.skip(f"exFAT cannot be mounted here: {result.stderr.strip().splitlines()[-1]}")
    assert people(result) == EXPECTED


def test_a_stick_without_this_platform_says_so_and_fetches_nothing(stick, tmp_path):
    shutil.rmtree(stick / "lib" / "vendor" / host_platform())
    result = run(f"bash '{stick}/run.sh' --demo", tmp_path / "home")
    assert result.returncode == 9
    assert "not made for this kind of computer" in result.stderr and "--to STICK" in result.stderr


def test_the_stick_verifies_itself_with_its_own_interpreter(stick, tmp_path):
    command = f"'{stick}/python/{host_platform()}/bin/python3.11' -B '{stick}/bootstrap/build.py' --verify"
    assert run(command, tmp_path / "home").returncode == 0
    assert str(ROOT) not in run(command, tmp_path / "home").stdout


def test_few_files_are_opened_before_the_first_photo(stick):
    needs("strace", root=False)
    command = [sys.executable, "-s", "-B", str(ROOT / "tests" / "bench" / "start.py"), str(stick)]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    figures = json.loads(result.stdout.splitlines()[-1])
    # The seconds depend on what else runs here, and are for the bench.
    assert figures["files_before_first_photo"] < 900
