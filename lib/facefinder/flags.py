"""The flags of each command, with what they accept."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from facefinder import __version__
from facefinder.errors import UsageError
from facefinder.examples import EXAMPLES, FORGET_EXAMPLES, GROUPS_EXAMPLES, REVIEW_EXAMPLES
from facefinder.faces.deepface_models import BACKENDS, DEFAULT_DETECTOR, DEFAULT_MODEL
from facefinder.faces.devices import DEVICES
from facefinder.faces.measures import MEASURES
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS
from facefinder.pages.language import ENGLISH, languages

PROGRAM = "run.bat" if sys.platform == "win32" else "run.sh"

# Of two vectors at right angles, in the measure that counts highest.
LONGEST = max(measure.of_cosine(1) for measure in MEASURES.values())


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {PROGRAM} -h for all flags.")


def path_of(text: str) -> Path:
    if not text:
        raise not_possible(text, "the name of a file or folder")
    return Path(text)


def _distance(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < LONGEST:
            return float(text)
    raise not_possible(text, "a distance between 0 and 1, for example 0.4")


def _pixels(text: str) -> int:
    with suppress(ValueError):
        if 10 <= int(text) <= 1000:
            return int(text)
    raise not_possible(text, "a number of pixels from 10 to 1000")


def _jobs(text: str) -> int:
    if text == "auto":
        return max(2, os.cpu_count() or 1)  # with one, this process would do the work, and die of a file
    with suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise not_possible(text, "a number of processes (1 or more), or auto")


def _pattern(text: str) -> str:
    if text.strip("/\\"):
        return text
    raise not_possible(text, "a name or the end of a path, with * for anything, for example *.png")


def not_possible(value: object, allowed: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{value!r} is not possible. Allowed: {allowed}")


def find_parser() -> Parser:
    """The flags of the main command."""
    parser = _parser(
        "Finds every photo of the people in refs/. Nothing on the searched computer is changed.\n"
        f"To sort everybody in your photos without reference photos:  {PROGRAM} groups -h",
        EXAMPLES,
        "folders to search (default: this computer's photo folders)",
    )
    who = parser.add_argument_group("who and where")
    who.add_argument(
        "--refs", type=path_of, metavar="DIR", help="reference photos: DIR is one person, or has a folder each"
    )
    _add_refs_from_tags(who)
    _add_people(who, "look for NAME, known from the groups or from refs/; may be given again")
    who.add_argument("--copy", type=path_of, metavar="DEST", help="copy the photos found to DEST/NAME")
    _add_tag(who)
    _add_switch(who, "--dry-run", "say what would be copied, and copy nothing")
    who.add_argument("--demo", action="store_true", help="run on a small album of real photos")
    _add_where(parser)
    how = _add_how(parser)
    how.add_argument(
        "--threshold", type=_distance, metavar="D", help="greatest distance that counts (smaller: stricter)"
    )
    memory = parser.add_argument_group("what is remembered")
    _add_groups(memory)
    indices = memory.add_mutually_exclusive_group()
    _add_index(indices)
    indices.add_argument("--no-index", action="store_const", dest="index", const=False, help="remember nothing")
    _add_encrypt(memory)
    _add_output(parser)
    return parser


def groups_parser() -> Parser:
    """The flags of the command `groups`."""
    parser = _parser(
        "Sorts all faces in your photos by person, into folders of small pictures to look\n"
        "through. What you do to them (rename, move, delete) is read by the next command\n"
        "and remembered. Your photos are not changed.",
        GROUPS_EXAMPLES,
        "folders whose photos are grouped (default: those of the last time, else this computer's photo folders)",
    )
    parser.prog += " groups"
    who = parser.add_argument_group("who and where")
    _add_people(who, "whose photos to copy: a name or a group's number; may be given again (default: all names)")
    who.add_argument("--copy", type=path_of, metavar="DEST", help="copy people's photos to DEST/NAME")
    _add_tag(who)
    _add_switch(who, "--dry-run", "say what would be copied, and copy nothing")
    word = parser.add_argument_group("what you said")
    word.add_argument("--undo", action="store_true", help="take the last step back; again: the one before")
    word.add_argument("--history", action="store_true", help="list what you did, step by step")
    word.add_argument("--export", type=path_of, metavar="FILE", help="write names and their faces to .json or .csv")
    word.add_argument("--import", type=path_of, dest="import_", metavar="FILE", help="read such a file")
    _add_where(parser)
    how = _add_how(parser)
    how.add_argument("--method", default="average", metavar="NAME", help="how to group (default: %(default)s)")
    memory = parser.add_argument_group("what is remembered")
    _add_groups(memory)
    _add_index(memory)
    _add_encrypt(memory)
    _add_output(parser)
    return parser


def review_parser() -> Parser:
    """The flags of the command `review`."""
    parser = _parser(
        "Shows in the browser what the last search and the groups found: say who is who, with\n"
        "one key for each answer. The next search is better for it. Nothing is searched anew.",
        REVIEW_EXAMPLES,
        None,
    )
    parser.prog += " review"
    who = parser.add_argument_group("who")
    who.add_argument("--refs", type=path_of, metavar="DIR", help="the reference photos of that search (default: refs)")
    _add_refs_from_tags(who)
    who.add_argument("--demo", action="store_true", help="look through what --demo found")
    how = _add_how(parser)
    how.add_argument("--threshold", type=_distance, metavar="D", help="greatest distance that counts")
    memory = parser.add_argument_group("what is remembered")
    _add_groups(memory)
    _add_index(memory)
    _add_output(parser)
    return parser


def forget_parser() -> Parser:
    """The flags of the command `forget`."""
    parser = _parser(
        "Removes from the stick what is known of somebody, or of a computer: faces, what\n"
        "describes them, small pictures, names. Your photos and copies are not touched; what\n"
        "is left of them on the stick is named at the end.",
        FORGET_EXAMPLES,
        None,
    )
    parser.prog += " forget"
    group = parser.add_argument_group("what to forget")
    what = group.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", dest="everything", help="everything")
    what.add_argument("--person", action="append", default=[], metavar="NAME", help="a person; may be given again")
    what.add_argument("--computer", action="append", default=[], metavar="NAME", help="what was seen only there")
    group.add_argument("--yes", action="store_true", help="do not ask")
    group.add_argument("--refs", type=path_of, metavar="DIR", help="where that person's reference photos are")
    _add_switch(group, "--refs-from-tags", "the person was found by names that other programs wrote into the photos")
    memory = parser.add_argument_group("what is remembered")
    _add_groups(memory)
    _add_index(memory)
    _add_output(parser)
    return parser


# Command -> its flags; the first one needs no name on the command line.
PARSERS = {"find": find_parser, "groups": groups_parser, "review": review_parser, "forget": forget_parser}


def _parser(description: str, examples: str, places: str | None) -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description=description,
        epilog=examples.format(program=PROGRAM),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if places:
        parser.add_argument("places", nargs="*", type=path_of, metavar="PLACE", help=places)
    return parser


def _add_switch(group: argparse._ArgumentGroup, flag: str, help_text: str) -> None:
    """A flag that may stand in the file too, so that there is one to turn it off."""
    switch = group.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_text)
    switch.default = False  # only now, because "(default: False)" would stand in the help


def _add_where(parser: Parser) -> None:
    where = parser.add_argument_group("what is passed over")
    where.add_argument(
        "--exclude",
        action="append",
        default=[],
        type=_pattern,
        metavar="GLOB",
        help="pass over files and folders of this name (*.png, Backup) or path (2019/scans); may be given again",
    )
    _add_switch(where, "--include-system", "search recycle bins, thumbnails, caches, system and program folders too")
    _add_switch(where, "--follow-links", "search what links lead to, too")
    _add_switch(where, "--zip", "look at the photos in ZIP archives, too; nothing is unpacked to a disk")
    where.add_argument("--retry-failed", action="store_true", help="open the files again that made the program crash")


def _add_people(group: argparse._ArgumentGroup, help_text: str) -> None:
    group.add_argument("--person", action="append", default=[], metavar="NAME", help=help_text)
    group.add_argument("--together", action="store_true", help="only photos that show all of them")
    group.add_argument("--without", action="append", default=[], metavar="NAME", help="no photos that show NAME")


def _add_refs_from_tags(group: argparse._ArgumentGroup) -> None:
    _add_switch(group, "--refs-from-tags", "look for the people whose names other programs wrote into photos (XMP)")


def _add_tag(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tag", choices=["xmp"], help="write who is on a photo beside its copy too, for digiKam, Lightroom and others"
    )


def _add_how(parser: Parser) -> argparse._ArgumentGroup:
    how = parser.add_argument_group("how strictly, how fast")
    how.add_argument("--model", metavar="NAME", help=f"one of {', '.join(RECOGNISERS)} (default: {DEFAULT_RECOGNISER})")
    how.add_argument("--min-face", type=_pixels, metavar="PX", help="smallest face to look for, pixels (default: 20)")
    _add_switch(how, "--all-pictures", "look at each picture of animations, TIFFs and others that hold several")
    how.add_argument("--jobs", type=_jobs, default="auto", metavar="N", help="processes (default: one for each core)")
    how.add_argument(
        "--device",
        choices=["auto", *DEVICES],
        default="auto",
        help="what recognises faces (default: a graphics card that works, if its pack is there, else the processor)",
    )
    _add_engine(parser)
    return how


def _add_engine(parser: Parser) -> None:
    engine = parser.add_argument_group("the DeepFace library instead of this program's own engine")
    engine.add_argument("--engine", choices=["native", "deepface"], default="native", help="default: %(default)s")
    pair = f"{DEFAULT_MODEL} and {DEFAULT_DETECTOR}"
    engine.add_argument("--detector", metavar="NAME", help=f"as --model any of DeepFace's (default: {pair})")
    engine.add_argument("--backend", choices=list(BACKENDS), help="default: onnx")
    engine.add_argument(
        "--distance",
        choices=list(MEASURES),
        default="cosine",
        help="how distances are told and --threshold is read (default: %(default)s)",
    )


def _add_groups(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--groups", type=path_of, metavar="DIR", help="default: groups beside the script")


def _add_index(group: argparse._ActionsContainer) -> None:
    group.add_argument("--index", type=path_of, metavar="FILE", help="default: index.sqlite beside the script")


def _add_encrypt(group: argparse._ArgumentGroup) -> None:
    _add_switch(group, "--encrypt", "encrypt the index (nothing else) with a passphrase, which is asked for")


def _add_output(parser: Parser) -> None:
    output = parser.add_argument_group("what is said")
    _add_switch(output, "--json", "print the result as JSON")
    _add_switch(output, "--quiet", "plain lines, no progress bar")
    _add_switch(output, "--verbose", "name every match and every problem")
    output.add_argument(
        "--language", choices=languages(), default=ENGLISH, help="language of the pages (default: %(default)s)"
    )
    output.add_argument("--version", action="version", version=f"Face Finder {__version__}")
