"""Make Face Finder ready to run: in this folder for this computer, or with --to on a stick for any computers.

What lies there already and is right is left alone. Downloads are kept in a cache, so that a second build
needs no network. --verify checks every file that lies there against what was installed.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

# The embeddable Python for Windows does not look for modules beside the script that it starts.
sys.path.insert(0, str(Path(__file__).parent))

from album import album_is_complete, install_album
from fetch import Fetcher
from interpreters import Archive, given_interpreters, install_interpreter, interpreter_is_current
from layout import (
    PLATFORMS,
    PYTHON_VERSION,
    ROOT,
    Layout,
    SetupError,
    default_cache,
    host_platform,
    one_at_a_time,
    remove,
    say,
)
from manifest import MANIFEST
from packages import install_pack, is_current, pack_names
from stick import bring_up_to_date, open_stage, plan, stage_program, stick_packs, tell_sizes
from verify import verify, verify_stick
from weights import install_models, installed_packs, is_complete, read_catalogue

PACKS = ("cuda", "deepface", "directml", "dlib", "edgeface", "facenet", "facenet512", "hdbscan", "tensorflow", "tests")
# In place of an archive: no interpreter travels.
HOST = "host"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build or verify the tree at `root`, or a stick; return 0 when done and 1 when not done or not right."""
    options = parser().parse_args(arguments)
    try:
        here = Layout(root, root, host_platform(), options.cache, options.from_cache)
        if options.verify:
            place = options.to or root
            stick = options.to is not None or (root / MANIFEST).is_file()
            again = "--to STICK, on the computer that made it" if stick else "--again"
            return report(verify_stick(place) if stick else verify(here), f"python3 bootstrap/build.py {again}")
        check_python()
        check_licences(here, options.packs, options.accept_licence)
        started = time.monotonic()
        done = make_stick(here, options) if options.to else make_ready(here, options)
        say(f"Ready after {time.monotonic() - started:.0f} s." if done else "Everything is in place already.")
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
        choices=PACKS,
        help="add a pack; may be repeated. cuda: for NVIDIA graphics cards, 3 GB; deepface: DeepFace itself; "
        "directml: for other graphics cards on Windows; edgeface: a recogniser that may not be used to earn money; "
        "dlib, facenet, facenet512: recognisers of DeepFace; "
        "hdbscan: a method of grouping; tensorflow: DeepFace's back end and its detector mtcnn, 1.3 GB; "
        "tests: the developer's tools",
    )
    add("--accept-licence", action="store_true", help="say yes to the licence of a pack that has conditions")
    add("--demo", action="store_true", help="fetch the demo album as well")
    add("--again", action="store_true", help="install anew what is in place already, to mend it")
    add(
        "--verify",
        action="store_true",
        help="check each file that lies there; exit code 1 if one is not right",
    )
    add("--to", metavar="DIR", type=folder, help="make a stick there, or bring it up to date (default: in place)")
    add(
        "--platform",
        metavar="LIST",
        type=platform_list,
        default=[],
        help=f"for which computers, divided by commas: {', '.join(PLATFORMS)} (default: this one's)",
    )
    add(
        "--runtime",
        metavar="FILE",
        action="append",
        default=[],
        help="an interpreter's archive, for a computer that cannot fetch it; may be repeated. "
        f"'{HOST}': none travels, the computer's own Python 3.11 is used",
    )
    add("--from-cache", action="store_true", help="download nothing")
    add(
        "--cache",
        metavar="DIR",
        type=folder,
        default=default_cache(),
        help="where downloads are kept (default: $FACE_FINDER_CACHE, else %(default)s)",
    )
    return result


def folder(text: str) -> Path:
    """Return the folder that a user named."""
    return Path(text).expanduser().absolute()


def platform_list(text: str) -> list[str]:
    """Return the platforms of a list divided by commas."""
    platforms = list(dict.fromkeys(text.split(",")))
    if unknown := set(platforms).difference(PLATFORMS):
        message = f"{', '.join(sorted(unknown))}: choose from {', '.join(PLATFORMS)}"
        raise argparse.ArgumentTypeError(message)
    return platforms


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


def make_ready(here: Layout, options: argparse.Namespace) -> bool:
    """Install in place what is missing or out of date; return whether anything was.

    The interpreter travels along only for platforms asked for by name: else this computer's own is used.
    """
    given = given_interpreters([Path(text) for text in options.runtime if text != HOST])
    done = False
    with one_at_a_time(here.cache), Fetcher(here.cache, from_cache=here.from_cache) as fetcher:
        for platform in options.platform or [here.platform]:
            layout = replace(here, platform=platform)
            present = [pack for pack in pack_names(layout) if layout.vendor(pack).is_dir()] + installed_packs(layout)
            packs = ["default", *sorted({*options.packs, *present} - {"default"})]
            done |= install(layout, packs, fetcher, again=options.again)
            if options.platform and HOST not in options.runtime:
                done |= bring_interpreter(layout, fetcher, given.get(platform), again=options.again)
        if (options.demo and not album_is_complete(here)) or (options.again and here.demo.is_dir()):
            install_album(here, fetcher)
            done = True
    return done


def make_stick(here: Layout, options: argparse.Namespace) -> bool:
    """Make everything ready in the cache and bring the stick up to date with it."""
    to: Path = options.to
    if here.source.is_relative_to(to.resolve()) or to.resolve().is_relative_to(here.source / "lib"):
        raise SetupError(f"{to} is where the project itself lies. Leave --to out to make it ready in place.")
    if not to.parent.is_dir():
        raise SetupError(f"There is no {to.parent}. Is the stick plugged in, and the name spelled right?")
    if "tests" in options.packs:
        raise SetupError("The developer's tools are of no use on a stick: leave --with tests out.")
    given = given_interpreters([Path(text) for text in options.runtime if text != HOST])
    platforms = options.platform or [here.platform]
    on_stick = {pack for pack in stick_packs(to) if pack in PACKS}
    packs = ["default", *sorted({*options.packs, *on_stick, *installed_packs(replace(here, target=to))} - {"default"})]
    with one_at_a_time(here.cache), Fetcher(here.cache, from_cache=here.from_cache) as fetcher:
        stages = [replace(open_stage(here), platform=platform) for platform in platforms]
        for stage in stages:
            if HOST not in options.runtime or stage.platform in given:
                bring_interpreter(stage, fetcher, given.get(stage.platform), again=options.again)
            else:
                remove(stage.interpreter)
                say(f"No interpreter for {stage.platform}: the computer needs a Python 3.11 of its own.")
            install(stage, packs, fetcher, again=options.again)
        if options.demo and not album_is_complete(stages[0]):
            install_album(stages[0], fetcher)
        stage_program(stages[0])
        files = plan(stages, packs, demo=options.demo)
        bring_up_to_date(to, files, platforms)
    tell_sizes(files, platforms)
    return True


def install(layout: Layout, packs: list[str], fetcher: Fetcher, *, again: bool) -> bool:
    """Install those of the packs that are missing or out of date, packages and models; return whether any was."""
    with_packages = pack_names(layout)
    for pack in packs:
        if pack not in (*with_packages, *read_catalogue(layout)["packs"]):
            say(f"There is no pack {pack} for {layout.platform}: its packages are not published for it.")
    stale = [pack for pack in packs if pack in with_packages and (again or not is_current(layout, pack))]
    for pack in stale:
        install_pack(layout, pack)
    models = again or not is_complete(layout, packs)
    if models:
        install_models(layout, packs, fetcher)
    return bool(stale) or models


def bring_interpreter(layout: Layout, fetcher: Fetcher, given: Archive | None, *, again: bool) -> bool:
    """Install the platform's interpreter unless it is there; return whether it was."""
    if not again and interpreter_is_current(layout, given):
        return False
    install_interpreter(layout, fetcher, given)
    return True


def report(problems: list[str], remedy: str) -> int:
    """Print what `--verify` found, with the command that mends it; return the exit code."""
    if not problems:
        say("All files are as they were installed.")
        return 0
    print("\n".join(problems), file=sys.stderr)
    print(f"\nNot right: {len(problems)}. To mend it: {remedy}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
