"""What happens to freshly installed packages: the needless parts go, the rest is compiled and tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from layout import SetupError, remove

# What no program needs at run time: folders by name, files by ending, and a few by their place.
UNNEEDED_FOLDERS = {"tests", "test", "include", "bin", "sboms"}
NEEDED_FOLDERS = (
    # On Windows NVIDIA's libraries lie in folders that are called like those of scripts.
    "nvidia/*/bin",
    # The modules behind the name tf.test, without which tensorflow does not import.
    "tensorflow/_api/**/test",
)
UNNEEDED_ENDINGS = {".pyi", ".pyx", ".pxd", ".h", ".hpp", ".c", ".cpp", ".f", ".f90", ".a", ".lib"}
UNNEEDED_PLACES = (
    "numpy/distutils",
    "numpy/f2py/src",
    "numpy/_core/lib",
    "numpy/random/_examples",
    # For numpy's own tests only.
    "numpy/_core/_simd.*",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    # On Linux a second copy, for programs in C: the Python module holds the library and does not link to it.
    "onnxruntime/capi/libonnxruntime.so.*",
    # On Windows OpenCV's own FFmpeg: videos go through PyAV, which brings another.
    "cv2/opencv_videoio_ffmpeg*.dll",
    # Second and third copies where a wheel holds no links: rawpy asks for libraw_r.so.25 and libraw_r.25.dylib.
    "rawpy/libraw_r.so",
    "rawpy/libraw_r.so.*.*",
    "rawpy/libraw_r.dylib",
    "rawpy/libraw_r.25.*.dylib",
)
# pip's own notes; direct_url.json and RECORD name places and files that are gone afterwards.
UNNEEDED_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
# What the program imports of Python's own library, with the parts that are compiled.
STANDARD_LIBRARY = "argparse, bz2, csv, ctypes, decimal, hashlib, json, lzma, multiprocessing, sqlite3, tomllib, zlib"


def slim(folder: Path) -> None:
    """Delete tests, headers, type stubs, sources, scripts and pip's notes."""
    for place in UNNEEDED_PLACES:
        for path in folder.glob(place):
            remove(path)
    needed = {path for pattern in NEEDED_FOLDERS for path in folder.glob(pattern)}
    for path in sorted(folder.rglob("*")):
        is_folder = path.name in UNNEEDED_FOLDERS and path not in needed and path.is_dir()
        is_note = path.parent.suffix == ".dist-info" and path.name in UNNEEDED_NOTES
        if is_folder or path.suffix in UNNEEDED_ENDINGS or is_note:
            remove(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def compile_all(folder: Path, shown: Path) -> None:
    """Compile to bytecode that is not compared with its source's time: a stick's file system changes times.

    Args:
        folder: the packages.
        shown: the folder's later path as the bytecode tells it, so that no path of this machine is in it.
    """
    options = ["-qq", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    options += ["-s", str(folder), "-p", shown.as_posix()]
    # The exit code counts files that are no Python 3, which some packages carry as data.
    subprocess.run([sys.executable, "-I", "-m", "compileall", *options, str(folder)], check=False)


def check_imports(pack: Path, folders: list[Path]) -> None:
    """Import everything at the top of `pack`, in a Python that sees only these folders, in this order.

    Raises:
        SetupError: something does not import.
    """
    entries = [path for path in pack.iterdir() if not path.name.startswith("_")]
    modules = sorted(path.stem for path in entries if path.suffix == ".py" or (path / "__init__.py").is_file())
    code = f"import sys; sys.path[:0] = {[str(each) for each in folders]!r}; import {', '.join(modules)}"
    command = [sys.executable, "-I", "-B", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        remedy = "If this computer is a supported one, tell the makers of Face Finder."
        raise SetupError(f"A package was installed and does not run here. {remedy}\n{result.stderr.strip()}")


def check_interpreter(python: Path) -> None:
    """Start an interpreter and import what a program needs of its library.

    Raises:
        SetupError: it does not run, or is no Python 3.11.
    """
    code = f"import sys, {STANDARD_LIBRARY}; sys.exit(sys.version_info[:2] != (3, 11))"
    result = subprocess.run([python, "-I", "-B", "-c", code], capture_output=True, text=True, check=False)
    if result.returncode:
        raise SetupError(f"{python} is no Python 3.11 that runs here.\n{result.stderr.strip()}")
