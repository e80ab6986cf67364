"""Whether the engine `deepface` gives the answers of DeepFace.find: both on the same photos and references.

    python3 tests/bench/parity.py DIR [DIR ...] [--refs REFS] [--model Facenet512] [--detector yunet]

DeepFace.find itself runs photo by photo, in a process of its own, with nothing of this program in it; beside it the
program goes its own way from the files to the matches. A photo shows a person when a face in it has its nearest
reference within the threshold. Every photo on which they differ is printed, by how much, and which files only one of
them can read. REFS has a folder for each person; without it the first `--references` photos of each folder in DIR with
more than twice as many serve as references, and are searched too.

Both use one process, so the last figure, how many times as long DeepFace.find takes, is about the same work.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common  # first: it finds the packages

# isort: split

from facefinder.errors import ReferencesError
from facefinder.find import find_matches, limits_of, people_of_references, spec_of
from facefinder.index import Index
from facefinder.match import Verdict, distances
from facefinder.media.walk import FoundFile, walk
from facefinder.people import reference_files
from facefinder.progress import NoProgress
from facefinder.scan import scan
from facefinder.settings import Settings, read_settings

TOLERANCE = 1e-4  # DeepFace rounds distances to six digits
REFERENCE_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG files begin


@dataclass(frozen=True)
class Answer:
    """What one of the two says of one photo. problem: why it cannot be read; people: those it shows.

    faces: for each face its box and its distance to each person's nearest reference.
    """

    people: frozenset[str] = frozenset()
    faces: tuple[tuple[tuple[int, ...], dict[str, float]], ...] = ()
    problem: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--refs", type=Path)
    parser.add_argument("--references", type=int, default=3, metavar="K")
    parser.add_argument("--model", default="Facenet512")
    parser.add_argument("--detector", default="yunet")
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--distance", default="cosine")
    parser.add_argument("--limit", type=int, default=10_000, metavar="N", help="at most so many photos")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)  # what a process of its own does
    options = parser.parse_args()
    if options.part:
        run_deepface(options.part)
        return
    files = [file for file in walk(options.folders) if file.has_photo_suffix][: options.limit]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_references(files, options, folder / "refs")
        # In this process: worker processes leave out a photo that needs too much memory, also one of the references.
        flags = [*("--engine", "deepface", "--jobs", "1", "--refs", str(folder / "refs")), *map(str, options.folders)]
        for name in ("model", "detector", "backend", "distance"):
            flags += [f"--{name}", getattr(options, name)]
        settings = read_settings(flags, common.ROOT)
        ours, our_seconds = run_ours(files, settings)
        theirs, their_seconds = ask_deepface(files, settings, folder)
    print(f"{settings.model} and {settings.detector} on {settings.backend}, {settings.distance}")
    report(ours, theirs, our_seconds, their_seconds)


def copy_references(files: Sequence[FoundFile], options: argparse.Namespace, into: Path) -> None:
    """A folder for each person, of names that DeepFace can read: it keeps its datastore there, and knows ASCII only.

    Of other kinds than JPEG and PNG it takes no references, whatever they are called; they are left out, and named.
    """
    people: dict[str, list[str]] = defaultdict(list)
    if options.refs:
        for name, photos in reference_files(options.refs).items():
            people[name] = [photo.path for photo in photos]
    else:
        for file in files:
            people[Path(file.path).parent.name].append(file.path)
        many = {name: paths for name, paths in people.items() if len(paths) > 2 * options.references}
        people = defaultdict(list, {name: sorted(paths)[: options.references] for name, paths in many.items()})
    for number, (_, paths) in enumerate(sorted(people.items())):
        person = into / f"person{number:03}"
        for place, path in enumerate(paths):
            if not Path(path).read_bytes()[:8].startswith(REFERENCE_KINDS):
                print(f"no reference for DeepFace.find, left out: {path}")
                continue
            person.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, person / f"{place:03}{Path(path).suffix.lower()}")


def run_ours(files: Sequence[FoundFile], settings: Settings) -> tuple[dict[str, Answer], float]:
    """path -> what the program says, by its own way; and the seconds of the search."""
    spec, limits = spec_of(settings), limits_of(settings)
    with Index(None, spec.key, platform.node()) as index:
        people = []
        for name, photos in reference_files(settings.refs).items():
            # Without a face in any photo of somebody the program stops; DeepFace.find passes over them in silence.
            with suppress(ReferencesError):
                people += people_of_references({name: photos}, index, spec, settings)
        index.begin_search()
        started = time.perf_counter()
        problems = dict(scan(files, index, spec, 1, NoProgress()).problems)
        shown: dict[str, set[str]] = defaultdict(set)
        for match in find_matches(index, people, limits):
            for path in (match.source, *match.also_at) if match.verdict is Verdict.SURE else ():
                shown[path].add(match.person)
        seconds = time.perf_counter() - started
        answers = {}
        for file in files:
            faces = []
            for face in index.faces_at(file.path):
                [row] = distances(face.vector[None], people, limits.rule)
                told = [settings.measure.of_cosine(float(distance)) for distance in row]
                box = tuple(int(side) for side in face.box)
                faces.append((box, {person.name: far for person, far in zip(people, told, strict=True)}))
            answers[file.path] = Answer(frozenset(shown[file.path]), tuple(faces), problems.get(file.path))
    return answers, seconds


def ask_deepface(files: Sequence[FoundFile], settings: Settings, folder: Path) -> tuple[dict[str, Answer], float]:
    """path -> what DeepFace.find says, asked in a process of its own; and the seconds of the search."""
    task = {
        "paths": [file.path for file in files],
        "refs": str(settings.refs),
        "model": spec_of(settings).model,
        "detector": spec_of(settings).detector,
        "distance": settings.distance,
        "threshold": limits_of(settings).told_in(settings.measure).sure,
    }
    (folder / "task.json").write_text(json.dumps(task))
    environment = {
        "DEEPFACE_HOME": str(settings.models / "deepface"),
        "DEEPFACE_BACKEND_ENGINE": settings.backend,
        "DEEPFACE_LOG_LEVEL": "50",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-s", "-B", __file__, "--part", str(folder / "task.json")]
    subprocess.run(command, check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)
    answered = json.loads((folder / "answers.json").read_text())
    answers = {
        path: Answer(
            frozenset(answer["people"]), tuple((tuple(box), far) for box, far in answer["faces"]), answer["problem"]
        )
        for path, answer in answered["answers"].items()
    }
    return answers, answered["seconds"]


def run_deepface(task: Path) -> None:
    """What the process of its own does: DeepFace.find for each photo, as its users call it."""
    from deepface import DeepFace
    from deepface.modules.exceptions import FaceNotDetected

    asked = json.loads(task.read_text())
    wanted = {"model_name": asked["model"], "detector_backend": asked["detector"], "distance_metric": asked["distance"]}
    answers, started = {}, time.perf_counter()
    for number, path in enumerate(asked["paths"]):
        answer: dict[str, Any] = {"people": [], "faces": [], "problem": None}
        try:
            # As it is, with its threshold; only that what lies beyond is told as well.
            found = DeepFace.find(
                path, asked["refs"], threshold=asked["threshold"], similarity_search=True, silent=True, **wanted
            )
            for table in found:
                nearest: dict[str, float] = {}
                for row in table.itertuples():
                    nearest.setdefault(Path(row.identity).parent.name, row.distance)
                row = table.iloc[0]
                if row["distance"] <= row["threshold"]:
                    answer["people"].append(Path(row["identity"]).parent.name)
                box = [int(row[f"source_{side}"]) for side in "xywh"]
                answer["faces"].append((box, nearest))
        except FaceNotDetected:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it says of a file it cannot read is the answer
            answer["problem"] = f"{type(error).__name__}: {str(error)[:100]}"
        answers[path] = answer
        if number == 0:  # it has described the references, and loaded the models
            started = time.perf_counter()
    seconds = (time.perf_counter() - started) * len(answers) / max(1, len(answers) - 1)
    (task.parent / "answers.json").write_text(json.dumps({"answers": answers, "seconds": seconds}))


def report(ours: dict[str, Answer], theirs: dict[str, Answer], our_seconds: float, their_seconds: float) -> None:
    """Print every photo on which they differ, and the figures."""
    both = [path for path in ours if ours[path].problem is None and theirs[path].problem is None]
    verdicts, others, farthest, faces = 0, 0, 0.0, 0
    for path in both:
        our, their = ours[path], theirs[path]
        faces += len(their.faces)
        apart = farthest_apart(our, their)
        farthest = max(farthest, apart or 0.0)
        if our.people != their.people:
            verdicts += 1
            print(f"VERDICT  {path}: {names(our.people)}, DeepFace.find {names(their.people)}, {apart} apart")
        elif apart is None:
            others += 1
            print(f"faces    {path}: {len(our.faces)}, DeepFace.find {len(their.faces)} or other ones")
        elif apart > TOLERANCE:
            others += 1
            print(f"distance {path}: {apart:.6f} apart")
    only_ours = [path for path in ours if ours[path].problem is None and theirs[path].problem is not None]
    only_theirs = [path for path in ours if ours[path].problem is not None and theirs[path].problem is None]
    for path in only_ours:
        print(f"only we read it    {path}: {len(ours[path].faces)} faces; DeepFace.find: {theirs[path].problem}")
    for path in only_theirs:
        print(f"only it reads it   {path}: {len(theirs[path].faces)} faces; we: {ours[path].problem}")
    shown = sum(bool(theirs[path].people) for path in both)
    common.print_table(
        ["photos", "compared", "faces", "of somebody", "other verdict", "other distance", "farthest apart"],
        [[len(ours), len(both), faces, shown, verdicts, others, f"{farthest:.1e}"]],
    )
    common.print_figures(
        {
            "photos": len(ours),
            "compared": len(both),
            "faces": faces,
            "of_somebody": shown,
            "other_verdict": verdicts,
            "other_distance": others,
            "farthest_apart": farthest,
            "only_we_read": len(only_ours),
            "only_deepface_reads": len(only_theirs),
            "deepface_seconds_over_ours": their_seconds / our_seconds,
        }
    )


def farthest_apart(our: Answer, their: Answer) -> float | None:
    """The greatest difference between two distances of one face; None where the faces are not the same."""
    if [box for box, _ in our.faces] != [box for box, _ in their.faces]:
        return None
    apart = [
        abs(far - others[person])
        for (_, told), (_, others) in zip(our.faces, their.faces, strict=True)
        for person, far in told.items()
    ]
    return max(apart, default=0.0)


def names(people: frozenset[str]) -> str:
    return " and ".join(sorted(people)) or "nobody"


if __name__ == "__main__":
    main()
