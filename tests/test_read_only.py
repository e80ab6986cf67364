"""On the computer being searched nothing is written, created or touched, and nothing leaves it."""

import codecs
import importlib.util
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import face_finder

ROOT = face_finder.HOME
DAY = 24 * 3600 * 10**9

# Every system call of Linux that changes a file, a folder or what is known of them.
CHANGING = set(
    "creat mkdir mkdirat mknod mknodat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat "
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat truncate ftruncate "
    "fallocate copy_file_range setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr".split()
)
OPENING = {"open", "openat", "openat2"}
WRITING_FLAGS = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")
NETWORK = {"connect", "bind", "sendto", "sendmsg", "sendmmsg"}

CALL = re.compile(r"^\d+ +(\w+)\((.*)")
# A string, with the folder that it counts from in front of it, or the file that a descriptor stands for.
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"|\b\d+<(/[^>]*)>')


@dataclass
class Traced:
    """A whole run under strace: its output, its calls (name, arguments), and the folders around it."""

    run: subprocess.CompletedProcess[str]
    calls: list[tuple[str, str]]
    home: Path
    written: tuple[Path, ...]
    before: dict[str, tuple[int, ...]]
    after: dict[str, tuple[int, ...]]


def state(folder: Path) -> dict[str, tuple[int, ...]]:
    """path -> all that is known of it. Without a folder's time of access, which listing it may change."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        times = [status.st_mtime_ns, status.st_ctime_ns, 0 if path.is_dir() else status.st_atime_ns]
        found[str(path)] = (status.st_mode, status.st_size, status.st_nlink, *times)
    return found


def paths(arguments: str) -> Iterator[Path]:
    """The absolute paths in a call's arguments as strace prints them."""
    for start, text, descriptor in PATH.findall(arguments):
        raw = codecs.escape_decode((descriptor or os.path.join(start, text)).encode())[0]
        yield Path(os.fsdecode(raw))


# Runs a command where a folder can only be read, and belongs to somebody else, of which root takes no notice otherwise:
# it may keep times of access as they are in anybody's files, and the searching user only in its own.
FOREIGN = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
shift
exec setpriv --bounding-set=-fowner --inh-caps=-fowner "$@"
"""
STRANGER = 12345  # a user's number that nobody has


@pytest.fixture(scope="module", params=["native", "deepface", "of another user, mounted read-only"])
def traced(request, tmp_path_factory, album, refs) -> Traced:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    if request.param == "deepface" and importlib.util.find_spec("deepface") is None:
        pytest.skip("needs the pack deepface: python3 bootstrap/build.py --with deepface")
    foreign = request.param.startswith("of another user")
    if foreign and (os.geteuid() or not (shutil.which("unshare") and shutil.which("setpriv"))):
        pytest.skip("needs root, unshare and setpriv")
    if foreign and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("this computer does not let mounts be made")
    folder = tmp_path_factory.mktemp("read-only")
    home, stick, trace = folder / "home", folder / "stick", folder / "trace"
    stick.mkdir()
    shutil.copytree(album, home / "Pictures")
    with Image.open(album / "Stage & screen" / "glasses.jpg") as photo:
        for suffix in ("png", "webp", "tiff", "bmp", "gif", "avif"):
            photo.convert("RGB").save(home / "Pictures" / f"glasses.{suffix}")
    with zipfile.ZipFile(home / "Pictures" / "phone.zip", "w") as archive:
        archive.write(album / "Stage & screen" / "what.jpg", "a photo in an archive.jpg")
    for name in ("broken.tiff", "broken.png", "broken.heic"):
        (home / "Pictures" / name).write_bytes(b"II*\0 this is no photo")
    for path in (home, *home.rglob("*")):
        # Last read long ago: any plain reading would be noted.
        os.utime(path, ns=(path.stat().st_mtime_ns - 2 * DAY, path.stat().st_mtime_ns - DAY))
        path.chmod(0o555 if path.is_dir() else 0o444)
        if foreign:
            os.chown(path, STRANGER, STRANGER)
    words = [
        "--refs",
        refs,
        "--copy",
        stick / "found",
        "--index",
        stick / "index.sqlite",
        "--tag",
        "xmp",
        "--refs-from-tags",
        "--zip",
    ]
    words += ["--engine", "deepface", "--model", "sface", "--detector", "yunet"] if request.param == "deepface" else []
    before = state(home)
    run = subprocess.run(
        [
            *(("unshare", "-m", "bash", "-c", FOREIGN, "bash", home) if foreign else ()),
            *("strace", "-f", "--seccomp-bpf", "-y", "-o", trace),
            *("-e", "trace=" + ",".join(f"?{name}" for name in sorted(CHANGING | OPENING | NETWORK))),
            *("bash", ROOT / "run.sh", *words),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    after = state(home)
    for path in (home, *home.rglob("*")):
        path.chmod(0o755)
    calls = [(match[1], match[2]) for line in trace.read_text().splitlines() if (match := CALL.match(line))]
    return Traced(run, calls, home, (stick,), before, after)


def test_the_traced_run_did_its_work(traced, people_in_album):
    assert traced.run.returncode == 1, traced.run.stderr
    assert "3 files could not be read" in traced.run.stdout
    assert any(
        name in OPENING and traced.home / "Pictures" / "glasses.webp" in paths(arguments)
        for name, arguments in traced.calls
    )
    assert any(name.startswith("rename") for name, _ in traced.calls)
    assert (traced.written[0] / "report.html").is_file()


def test_nothing_is_written_outside_the_stick_and_the_copies(traced):
    # /dev: the null device, the terminal, and the memory shared with the workers. Not even a temporary folder.
    allowed = (*traced.written, Path("/dev/null"), Path("/dev/tty"), Path("/dev/shm"))
    strays = [
        (name, arguments)
        for name, arguments in traced.calls
        if name in CHANGING or (name in OPENING and WRITING_FLAGS.search(arguments))
        if not all(any(path.is_relative_to(folder) for folder in allowed) for path in paths(arguments))
    ]
    assert strays == []


def test_the_searched_side_is_the_same_afterwards(traced):
    assert traced.after == traced.before


def test_nothing_is_sent_anywhere(traced):
    assert [call for call in traced.calls if call[0] in NETWORK and "AF_INET" in call[1]] == []
