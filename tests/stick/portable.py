"""An interpreter that can be moved, made from this computer's own: stands for the pinned ones where none is reached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from layout import ROOT, Layout, default_cache, host_platform

# Part of every Linux; a program must take the ones that belong to the kernel and the loader of the computer.
SYSTEM = re.compile(r"(ld-linux|libc\.|libm\.|libdl\.|libpthread\.|librt\.|libresolv\.|libutil\.|linux-vdso)")
LEFT_OUT = (
    "test",
    "idlelib",
    "lib2to3",
    "tkinter",
    "ensurepip",
    "site-packages",
    "__pycache__",
    "_tkinter*",
    "config-*",
)


def make_archive(folder: Path) -> Path:
    """Write python.tar.gz, of the form of python-build-standalone, into the folder and return its path."""
    top = folder / "python"
    library = top / "lib" / "python3.11"
    program = top / "bin" / "python3.11"
    program.parent.mkdir(parents=True)
    shutil.copyfile(os.path.realpath(sys.executable), program)
    program.chmod(0o755)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*LEFT_OUT))
    modules = [program, *library.glob("lib-dynload/*.so")]
    needed = {path for module in modules for path in libraries(module)}
    # The libraries' own needs are among `needed`: ldd names all of them.
    for path in needed:
        shutil.copyfile(path, top / "lib" / path.name)
        (top / "lib" / path.name).chmod(0o755)
    patchelf = Layout(ROOT, ROOT, host_platform(), default_cache()).vendor("tests") / "bin" / "patchelf"
    for path in [*modules, *(top / "lib").glob("lib*.so*")]:
        origin = os.path.relpath(top / "lib", path.parent)
        subprocess.run([patchelf, "--force-rpath", "--set-rpath", f"$ORIGIN/{origin}", path], check=True)
    (top / "bin" / "python3").symlink_to("python3.11")
    archive = folder / "python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(top, "python")
    return archive


def libraries(module: Path) -> set[Path]:
    """Return the libraries that a program or library loads, without those of every Linux."""
    said = subprocess.run(["ldd", module], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"=> (/\S+)", said)}
    return {path for path in found if not SYSTEM.match(path.name)}
