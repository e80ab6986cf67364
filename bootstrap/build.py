"""Make a fresh clone ready, in place, for this machine: packages, model files, and on request the demo album.

What lies there already and is right is left alone. Downloads are kept in a cache, so that a second build
needs no network. `--verify` checks every file that lies there against what was installed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from album import album_is_complete, install_album
from fetch import Fetcher
from layout import (
    PYTHON_VERSION,
    ROOT,
    Layout,
    SetupError,
    default_cache,
    host_platform,
    one_at_a_time,
    say,
)
from packages import install_pack, is_current, pack_names
from verify import verify
from weights import install_models, installed_packs, is_complete, read_catalogue


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build or verify the tree at `root`; return 0 when done and 1 when not done or not right."""
    options = parser().parse_args(arguments)
    try:
        layout = Layout(root, root, host_platform(), options.cache)
        if options.verify:
            return report(verify(layout))
        check_python()
        check_licences(layout, options.packs, options.accept_licence)
        build(layout, options.packs, demo=options.demo, again=options.again)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept: start again to go on.", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="build.py", description=__doc__)
    add = result.add_argument
    add(
        "--with",
        dest="packs",
        metavar="PACK",
        action="append",
        default=[],
        choices=("deepface", "edgeface", "tests"),
        help="add a pack; may be repeated. deepface: DeepFace itself; edgeface: a recogniser that may not be "
        "used to earn money; tests: the developer's tools",
    )
    add("--accept-licence", action="store_true", help="say yes to the licence of a pack that has conditions")
    add("--demo", action="store_true", help="fetch the demo album as well")
    add("--again", action="store_true", help="install anew what is in place already, to mend it")
    add(
        "--verify",
        action="store_true",
        help="check each file that lies there; exit code 1 if one is not right",
    )
    add(
        "--cache",
        metavar="DIR",
        type=lambda text: Path(text).expanduser().absolute(),
        default=default_cache(),
        help="where downloads are kept (default: $FACE_FINDER_CACHE, else %(default)s)",
    )
    return result


def check_python() -> None:
    """Refuse another Python than the one the packages are locked for."""
    if sys.version_info[:2] != PYTHON_VERSION:
        wanted = ".".join(map(str, PYTHON_VERSION))
        remedy = f"Run: python{wanted} bootstrap/build.py"
        raise SetupError(f"This is Python {sys.version.split()[0]}; the packages need {wanted}. {remedy}")


def check_licences(layout: Layout, asked: list[str], accepted: bool) -> None:
    """Refuse a pack whose licence has conditions until the user has said yes to them."""
    for pack in set(asked).difference(installed_packs(layout)):
        meaning = read_catalogue(layout)["must_accept"].get(pack)
        if meaning and not accepted:
            command = f"python3 bootstrap/build.py --with {pack} --accept-licence"
            raise SetupError(f"{meaning}\nIf you agree, run: {command}")


def build(layout: Layout, asked: list[str], *, demo: bool, again: bool) -> None:
    """Install what is missing or out of date: the default pack, those asked for and those that are there."""
    started = time.monotonic()
    with_packages = pack_names(layout)
    present = [pack for pack in with_packages if layout.vendor(pack).is_dir()] + installed_packs(layout)
    packs = ["default", *sorted({*asked, *present} - {"default"})]
    with one_at_a_time(layout.cache), Fetcher(layout.cache) as fetcher:
        stale = [pack for pack in packs if pack in with_packages and (again or not is_current(layout, pack))]
        for pack in stale:
            install_pack(layout, pack)
        models = again or not is_complete(layout, packs)
        if models:
            install_models(layout, packs, fetcher)
        album = (demo and not album_is_complete(layout)) or (again and layout.demo.is_dir())
        if album:
            install_album(layout, fetcher)
    if stale or models or album:
        say(f"Ready after {time.monotonic() - started:.0f} s.")
    else:
        say("Everything is in place already.")


def report(problems: list[str]) -> int:
    """Print what `--verify` found, with the command that mends it; return the exit code."""
    if not problems:
        say("All files are as they were installed.")
        return 0
    print("\n".join(problems), file=sys.stderr)
    print(f"\nNot right: {len(problems)}. To mend it: python3 bootstrap/build.py --again", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
