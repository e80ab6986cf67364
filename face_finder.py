"""Face Finder: start here. Finds its own folder and packages, then hands over to lib/facefinder."""

import os
import platform
import signal
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
PLATFORMS = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "arm64"): "macos-arm64",
    ("Windows", "AMD64"): "windows-x86_64",
}
# Pack -> what its driver puts into a system (the second one: Windows' Linux).
_SYSTEM32 = os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32")
DRIVERS = {
    "cuda": ("/dev/nvidiactl", "/dev/dxg", os.path.join(_SYSTEM32, "nvcuda.dll")),
    "directml": (os.path.join(_SYSTEM32, "D3D12.dll"),),
}


def use_bundle() -> None:
    """Put lib/ and this platform's vendored packages first on the search path, here and in worker processes."""
    platform_name = PLATFORMS.get((platform.system(), platform.machine()), "")
    # run.sh names another place where nothing can be started from the stick and so it made a copy.
    bundle = Path(os.environ.get("FACE_FINDER_BUNDLE", HOME))
    vendor = bundle / "lib" / "vendor"
    # A pack (deepface, say) lies beside the default packages in a folder of its own: linux-x86_64+deepface. One for
    # graphics cards holds an onnxruntime instead of the default one: it comes first, where its card is, or not at all.
    packs = sorted(vendor.glob(f"{platform_name}+*"))
    instead = [pack for pack in packs if (pack / "onnxruntime").is_dir()]
    first = [pack for pack in instead if any(Path(sign).exists() for sign in DRIVERS.get(pack.name.split("+")[1], ()))]
    beside = [pack for pack in packs if pack not in instead]
    folders = [str(folder) for folder in (bundle / "lib", *first, vendor / platform_name, *beside)]
    sys.path[:0] = folders
    # Workers are fresh interpreters: they get the same path, and nothing of the host's own packages.
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    os.environ["PYTHONNOUSERSITE"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    # onnxruntime would report its use to its makers, and keep a number for this computer in the user's folder.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.dont_write_bytecode = True


if __name__ == "__main__":
    use_bundle()
    # Worker processes would look for modules in the current folder first.
    os.environ["PYTHONSAFEPATH"] = "1"
    # While libraries load, and while they end, Ctrl-C ends the process at once: raised in there, it would come out as
    # pages of their errors. A shell that starts this in the background has Ctrl-C ignored; then it stays so.
    answer = signal.getsignal(signal.SIGINT)
    at_once = signal.SIG_DFL if answer is signal.default_int_handler else answer
    signal.signal(signal.SIGINT, at_once)
    from facefinder.cli import main

    signal.signal(signal.SIGINT, answer)
    code = main(sys.argv[1:], HOME)
    signal.signal(signal.SIGINT, at_once)
    sys.exit(code)
