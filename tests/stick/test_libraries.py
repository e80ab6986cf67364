"""Every library that a Windows binary on the stick asks for lies on the stick, or is part of Windows itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# In every Windows 10 and later, in System32.
OF_WINDOWS = frozenset(
    "advapi32 avicap32 avifil32 bcrypt bcryptprimitives cabinet cfgmgr32 comctl32 comdlg32 crypt32 d3d11 d3d12 dbghelp "
    "dnsapi dwrite dxcore dxgi gdi32 imm32 iphlpapi kernel32 mf mfplat mfreadwrite mpr msi msvcrt msvfw32 mswsock "
    "ncrypt netapi32 normaliz ntdll ole32 oleaut32 opengl32 pdh powrprof propsys psapi rpcrt4 secur32 setupapi shell32 "
    "shlwapi ucrtbase user32 userenv usp10 uxtheme version windowscodecs winhttp wininet winmm winspool.drv wintrust "
    "wldap32 ws2_32 wsock32".split()
)


def test_every_import_is_on_the_stick_or_in_windows(master):
    pefile = pytest.importorskip("pefile")
    interpreter = master / "python" / "windows-x86_64"
    vendor = master / "lib" / "vendor" / "windows-x86_64"
    binaries = [path for root in (interpreter, vendor) for path in root.rglob("*") if is_binary(path)]
    beside_python = {path.name.lower() for path in interpreter.iterdir()}
    # delvewheel puts a package's libraries into PACKAGE.libs and adds that folder to the search at import.
    in_libs = {path.name.lower() for path in vendor.glob("*.libs/*.dll")}
    missing = set()
    for binary in binaries:
        there = beside_python | in_libs | {path.name.lower() for path in binary.parent.iterdir()}
        with pefile.PE(binary, fast_load=True) as image:
            kinds = ("IMAGE_DIRECTORY_ENTRY_IMPORT", "IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT")
            image.parse_data_directories([pefile.DIRECTORY_ENTRY[kind] for kind in kinds])
            entries = getattr(image, "DIRECTORY_ENTRY_IMPORT", []) + getattr(image, "DIRECTORY_ENTRY_DELAY_IMPORT", [])
            assert image.FILE_HEADER.Machine == 0x8664, binary
        for name in (entry.dll.decode().lower() for entry in entries):
            of_windows = name.startswith(("api-ms-win-", "ext-ms-win-")) or name.removesuffix(".dll") in OF_WINDOWS
            if name not in there and not of_windows:
                missing.add(f"{binary.relative_to(master)} asks for {name}")
    assert len(binaries) > 50
    assert not missing, "\n".join(sorted(missing))


def is_binary(path: Path) -> bool:
    return path.suffix.lower() in (".dll", ".pyd", ".exe")


def test_the_runtime_of_visual_c_is_of_one_version_and_lies_beside_python(master):
    folder = master / "python" / "windows-x86_64"
    for name in ("msvcp140", "msvcp140_1", "vcruntime140", "vcruntime140_1"):
        assert b"1\x004\x00.\x004\x004\x00" in (folder / f"{name}.dll").read_bytes(), name


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the Linux build")
def test_no_text_on_the_stick_names_a_place_of_this_computer(master):
    home = f"{Path.home()}/".encode()
    named = [path for path in (master / "lib" / "facefinder").rglob("*.pyc") if home in path.read_bytes()]
    assert not named
