"""Face Finder: start here. Finds its own folder and packages, then hands over to lib/facefinder."""

import os
import platform
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
PLATFORMS = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "arm64"): "macos-arm64",
    ("Windows", "AMD64"): "windows-x86_64",
}


def use_bundle() -> None:
    """Put lib/ and this platform's vendored packages first on the search path, here and in worker processes."""
    platform_name = PLATFORMS.get((platform.system(), platform.machine()), "")
    # run.sh names another place where nothing can be started from the stick and so it made a copy.
    bundle = Path(os.environ.get("FACE_FINDER_BUNDLE", HOME))
    vendor = bundle / "lib" / "vendor"
    # A pack (deepface, say) lies beside the default packages in a folder of its own: linux-x86_64+deepface.
    packs = sorted(str(folder) for folder in vendor.glob(f"{platform_name}+*"))
    folders = [str(bundle / "lib"), str(vendor / platform_name), *packs]
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
    try:
        from facefinder.cli import main
    except KeyboardInterrupt:  # Ctrl-C before anything was begun
        sys.exit(130)
    sys.exit(main(sys.argv[1:], HOME))
