"""Groups: everybody in a pile of photos, looked through in folders; names and the user's word hold for ever."""

import hashlib
import json
import os
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

import face_finder
from clips import clip
from facefinder.errors import DestinationError, UsageError
from facefinder.find import Outcome, find
from facefinder.groups import GroupsOutcome, groups
from facefinder.media.decode import open_photo
from facefinder.progress import NoProgress
from facefinder.review import read as read_module
from facefinder.review import write as write_module
from facefinder.review.names import HELP, NOT_SURE, STRANGERS
from facefinder.settings import read_settings
from facefinder.storage.schema import APPLICATION, SCHEMA

ROOT = face_finder.HOME
# Photos of the album that a person's group is recognised by.
OBAMA, SEINFELD, ELTON, WOMAN = "DSC_0101 left half", "1992 gala", "red glasses", "many faces"


class Review:
    """A user with a stick: an index, a groups folder, and commands run in this process."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tree = folder / "groups"
        self.home = ROOT
        self.words = ["--index", str(folder / "index.sqlite"), "--groups", str(self.tree), "--jobs", "1"]

    def groups(self, *words: object) -> GroupsOutcome:
        return groups(read_settings(["groups", *map(str, words), *self.words], self.home), NoProgress())

    def find(self, *words: object) -> Outcome:
        return find(read_settings([*map(str, words), *self.words], self.home), NoProgress())

    def crops(self, folder: str = "") -> list[Path]:
        return sorted((self.tree / folder).rglob("*.jpg"))

    def identities(self, folder: str) -> set[str]:
        return {crop.stem.rpartition("~")[2] for crop in self.crops(folder)}

    def of(self, photo: str, within: str = "") -> str:
        """The folder that shows the face in a photo; of several the one with most crops."""
        folders = [path for path in (self.tree / within).iterdir() if path.is_dir() and path.name not in KEPT]
        [*_, (count, name)] = sorted((len(list(path.glob(f"*{photo} ~*"))), path.name) for path in folders)
        assert count, f"nobody's folder shows {photo}"
        return name

    def photos(self, folder: str) -> set[str]:
        return {crop.stem.partition(" ")[2].rpartition(" ~")[0] for crop in self.crops(folder)}

    def folders(self) -> set[str]:
        return {path.name for path in self.tree.iterdir() if path.is_dir()} - KEPT

    def rename(self, folder: str, name: str) -> None:
        (self.tree / folder).rename(self.tree / name)

    def move(self, crop: Path, folder: str) -> None:
        (self.tree / folder).mkdir(exist_ok=True)
        crop.rename(self.tree / folder / crop.name)


KEPT = {NOT_SURE, STRANGERS}


@pytest.fixture(scope="module")
def grouped(tmp_path_factory, album) -> Path:
    """The album grouped once, and nothing said."""
    folder: Path = tmp_path_factory.mktemp("grouped")
    outcome = Review(folder).groups(album)
    assert outcome.scan and outcome.scan.photos == 25
    return folder


@pytest.fixture
def review(grouped, tmp_path) -> Review:
    shutil.copytree(grouped, tmp_path / "stick")
    return Review(tmp_path / "stick")


@pytest.fixture
def named(review: Review) -> Review:
    """Obama and Seinfeld have names."""
    review.rename(review.of(OBAMA), "Barack")
    review.rename(review.of(SEINFELD), "Jerry")
    review.groups()
    return review


def names(outcome: GroupsOutcome) -> dict[str, int]:
    return {person.name: person.faces for person in outcome.people if person.name}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# What is written


def test_each_person_has_a_numbered_folder_and_the_best_faces_come_first(review):
    assert review.photos(review.of(SEINFELD)) == {
        *("1992 gala", "glasses", "IMG_0047", "monologue", "stand-up", "street", "what")
    }
    sizes = [len(review.crops(folder)) for folder in sorted(review.folders())]
    assert sizes == sorted(sizes, reverse=True)
    assert sorted(review.folders()) == [f"{number:04} ({size})" for number, size in enumerate(sizes, 1)]
    [first, *_] = review.crops(review.of(OBAMA))
    with Image.open(first) as crop:
        assert crop.size == (200, 200)
    assert "tracksuit" in review.photos(review.of(ELTON))


def test_a_second_run_without_changes_changes_nothing(review):
    before = {path: path.stat().st_mtime_ns for path in review.crops()}
    outcome = review.groups()
    assert {path: path.stat().st_mtime_ns for path in review.crops()} == before
    assert (outcome.reading.steps, outcome.reading.foreign, outcome.reading.notes) == ([], [], [])
    assert outcome.tree and (outcome.tree.new, outcome.tree.crops) == (0, len(before))


def test_the_originals_are_not_touched_and_the_groups_are_not_searched(review, album, tmp_path):
    place = Path(shutil.copytree(album / "Stage & screen", tmp_path / "place"))
    review = Review(place)
    before = {path: path.stat() for path in place.rglob("*.jpg")}
    outcome = review.groups(place)
    assert {path: path.stat() for path in before} == before
    assert outcome.scan and outcome.scan.photos == len(before)
    again = review.groups()
    assert again.scan and again.scan.photos == len(before)


# What the user does


def test_a_folder_that_is_given_a_name_names_the_person_and_confirms_the_faces(review):
    folder = review.of(OBAMA)
    review.rename(folder, "Barack Öbama")
    outcome = review.groups()
    assert outcome.reading.steps == [f"You named group {folder[:4]} Barack Öbama (4 faces)."]
    assert names(outcome) == {"Barack Öbama": 4}
    assert "Barack Öbama (4)" in review.folders()
    assert review.groups().reading.steps == []


@pytest.mark.parametrize("name", ["{number} Barack", "{number} - Barack (4)", "Barack (4)", "Barack"])
def test_a_name_can_stand_with_or_without_the_number_and_the_count(review, name):
    folder = review.of(OBAMA)
    review.rename(folder, name.format(number=folder[:4]))
    assert names(review.groups()) == {"Barack": 4}


@pytest.mark.parametrize("name", ["barack", "BARACK (4)"])
def test_a_name_in_other_capitals_is_the_same_person(named, name):
    named.rename("Barack (4)", "on the way")
    named.rename("on the way", name)
    outcome = named.groups()
    assert names(outcome) == {name.removesuffix(" (4)"): 4, "Jerry": 7}
    assert outcome.reading.steps == [f"You renamed Barack to {name.removesuffix(' (4)')}."]


def test_another_name_renames_the_person(named):
    named.rename("Barack (4)", "Mr President")
    assert named.groups().reading.steps == ["You renamed Barack to Mr President."]
    assert "Mr President (4)" in named.folders()


def test_a_face_moved_to_another_folder_is_that_person_and_not_the_old_one(named):
    [crop, *_] = [crop for crop in named.crops("Jerry (7)") if "street" in crop.name]
    named.move(crop, "Barack (4)")
    outcome = named.groups()
    assert outcome.reading.steps == ["You moved 1 face from Jerry to Barack."]
    assert names(outcome) == {"Barack": 5, "Jerry": 6}
    assert "street" in named.photos("Barack (5)")
    named.groups("--undo")
    assert named.folders() >= {"Barack (4)", "Jerry (7)"}


def test_a_deleted_face_is_not_that_person_any_more(named):
    [crop, *_] = named.crops("Jerry (7)")
    face = crop.stem.rpartition("~")[2]
    crop.unlink()
    outcome = named.groups()
    assert outcome.reading.steps == ["You took 1 face out of Jerry."]
    assert names(outcome)["Jerry"] == 6
    assert not {face} & named.identities("Jerry (6)")
    assert named.groups().reading.steps == []
    assert "Jerry (7)" in named.folders() or named.groups("--undo").undone == "You took 1 face out of Jerry."
    assert face in named.identities("Jerry (7)")


def test_a_face_dragged_to_the_strangers_is_not_that_person(named):
    [crop, *_] = named.crops("Jerry (7)")
    named.move(crop, STRANGERS)
    assert named.groups().reading.steps == ["You said of 1 face: not Jerry."]
    assert len(named.crops("Jerry (6)")) == 6


def test_strangers_in_a_new_folder_are_a_new_person(named):
    for crop in named.crops(STRANGERS):
        if "portrait 1" in crop.name or "portrait 2" in crop.name:
            named.move(crop, "Aunt Mindy")
    outcome = named.groups()
    assert outcome.reading.steps == ["You made a new person, Aunt Mindy, of 2 faces."]
    assert names(outcome)["Aunt Mindy"] == 2
    assert named.photos("Aunt Mindy (2)") == {"portrait 1", "portrait 2"}
    named.groups("--undo")
    assert "Aunt Mindy (2)" not in named.folders()
    assert {"portrait 1", "portrait 2"} <= named.photos(STRANGERS)


def test_a_face_that_may_be_somebody_is_confirmed_by_moving_it_and_refused_by_deleting_it(review):
    folder = review.of(WOMAN)
    unsure = review.of(WOMAN, NOT_SURE)
    assert unsure[:4] == folder[:4]
    yes, no, *_ = review.crops(f"{NOT_SURE}/{unsure}")
    review.move(yes, folder)
    no.unlink()
    outcome = review.groups()
    assert sorted(outcome.reading.steps) == [
        f"You said of 1 face: {folder[:4]}.",
        f"You took 1 face out of {folder[:4]}.",
    ]
    person = next(person for person in outcome.people if person.number == int(folder[:4]))
    assert (person.faces, person.maybe) == (9, 0)


def test_a_face_moved_to_not_sure_stays_there(named):
    (named.tree / NOT_SURE / "Jerry").mkdir()
    [crop, *_] = named.crops("Jerry (7)")
    crop.rename(named.tree / NOT_SURE / "Jerry" / crop.name)
    assert named.groups().reading.steps == ["You were not sure of 1 face: Jerry, maybe."]
    assert len(named.crops(f"{NOT_SURE}/Jerry (1)")) == 1
    assert len(named.crops("Jerry (6)")) == 6


@pytest.mark.parametrize("how", ["all crops", "the whole folder"])
def test_all_crops_of_a_folder_in_another_merge_the_two(review, how):
    into, *others = sorted(folder for folder in review.folders() if review.photos(folder) == {WOMAN})
    assert others, "the collage of one woman is more than one group"
    review.rename(into, "Actress")
    if how == "all crops":
        for crop in review.crops(others[0]):
            review.move(crop, "Actress")
    else:
        (review.tree / others[0]).rename(review.tree / "Actress" / others[0])
    count = int(others[0][6:-1])
    outcome = review.groups()
    assert f"You merged {others[0][:4]} into Actress ({count} faces)." in outcome.reading.steps
    assert others[0] not in review.folders()
    merged = names(outcome)["Actress"]
    review.groups("--undo")
    assert others[0] in review.folders()
    assert names(review.groups())["Actress"] == merged - count


def test_a_folder_renamed_to_the_name_of_somebody_else_is_merged_with_them(named):
    other = named.of(ELTON)
    named.rename(other, "Jerry")
    assert named.groups().reading.steps == [f"You merged {other[:4]} into Jerry (3 faces)."]
    assert "Jerry (10)" in named.folders()


def test_a_deleted_folder_puts_the_person_aside_and_undo_brings_it_back(named):
    shutil.rmtree(named.tree / "Jerry (7)")
    outcome = named.groups()
    assert outcome.reading.steps == ["You put Jerry aside (7 faces)."]
    assert "Jerry" not in names(outcome)
    assert outcome.aside == 1
    assert "1992 gala" not in {crop.name.split(" ~")[0].partition(" ")[2] for crop in named.crops("Jerry (7)")}
    assert named.groups("--undo").undone == "You put Jerry aside (7 faces)."
    assert len(named.crops("Jerry (7)")) == 7


def test_a_renamed_crop_is_still_known(named):
    [crop, *_] = named.crops("Jerry (7)")
    crop.rename(named.tree / "Barack (4)" / "that is him.jpg")
    outcome = named.groups()
    assert outcome.reading.steps == ["You moved 1 face from Jerry to Barack."]
    assert outcome.reading.foreign == []


def test_a_crop_whose_metadata_are_gone_is_known_by_its_name(named):
    [crop, *_] = named.crops("Jerry (7)")
    with Image.open(crop) as picture:
        plain = picture.copy()
    plain.save(crop, exif=b"")
    named.move(crop, "Barack (4)")
    assert named.groups().reading.steps == ["You moved 1 face from Jerry to Barack."]


def test_undoing_everything_step_by_step_ends_where_it_began(review):
    before = contents(review.tree)
    review.rename(review.of(OBAMA), "Barack")
    review.rename(review.of(SEINFELD), "Jerry")
    review.groups()
    review.move(review.crops("Jerry (7)")[0], "Barack (4)")
    review.crops("Jerry (7)")[0].unlink()
    shutil.rmtree(review.tree / review.of(ELTON))
    review.groups()
    history = review.groups("--history").history
    assert len(history) == 5
    undone = []
    while step := review.groups("--undo").undone:
        undone.append(step)
    assert undone == [step.what for step in reversed(history)]
    assert contents(review.tree) == before


def do_something(review: Review, random: Random) -> None:
    """One thing that somebody may do in a file manager, sensible or not."""
    one, other = random.choice(sorted(review.folders())), random.choice(sorted(review.folders()))
    crops = review.crops(one)
    if not crops:
        return
    crop = random.choice(crops)
    match random.choice(["move", "delete", "name", "put aside", "merge", "nest", "not sure", "new", "swap", "loose"]):
        case "move":
            review.move(crop, other)
        case "delete":
            crop.unlink()
        case "name":
            name = random.choice(["Mom", "mom (3)", f"{one[:4]} Dad", "Zoe\u0308"])
            if not (review.tree / name).exists():
                review.rename(one, name)
        case "put aside":
            shutil.rmtree(review.tree / one)
        case "merge" if one != other:
            for each in crops:
                review.move(each, other)
        case "nest" if one != other:
            review.rename(one, f"{other}/{one}")
        case "not sure":
            (review.tree / NOT_SURE).mkdir(exist_ok=True)
            review.move(crop, f"{NOT_SURE}/{other}")
        case "new":
            review.move(crop, random.choice(["New folder", "2011"]))
        case "swap" if one != other:
            review.rename(one, "on the way")
            review.rename(other, one)
            review.rename("on the way", other)
        case "loose":
            crop.rename(review.tree / "x.jpg")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_is_read_once_and_can_all_be_undone(review, seed):
    random, before = Random(seed), contents(review.tree)
    for _ in range(3):
        for _ in range(random.randint(1, 4)):
            do_something(review, random)
        review.groups()
        again = review.groups()
        assert (again.reading.steps, again.reading.notes, again.reading.foreign) == ([], [], [])
        assert again.tree and again.tree.new == 0 and not again.tree.problems
        faces = [crop.stem.rpartition("~")[2] for crop in review.crops()]
        assert len(faces) == len(set(faces)), "each face lies in one place"
    while review.groups("--undo").undone:
        pass
    assert contents(review.tree) == before


# What must not be mistaken


def test_a_groups_folder_that_is_gone_deletes_nobody(named):
    shutil.rmtree(named.tree)
    outcome = named.groups()
    assert outcome.reading.steps == []
    assert "Nothing counts as deleted" in outcome.reading.notes[0]
    assert names(outcome) == {"Barack": 4, "Jerry": 7}
    assert len(named.crops("Jerry (7)")) == 7


def test_a_groups_folder_copied_in_part_deletes_nobody(named):
    before = contents(named.tree)
    for folder in sorted(named.folders())[:4]:
        shutil.rmtree(named.tree / folder)
    outcome = named.groups()
    assert outcome.reading.steps == []
    assert "They do not count as deleted" in outcome.reading.notes[0]
    assert contents(named.tree) == before


def test_an_interrupted_writing_is_not_taken_for_the_users_doing(named, monkeypatch):
    named.move(named.crops("Jerry (7)")[0], "Barack (4)")
    rename_crops = write_module.Tree._rename_crops

    def pulled_out(tree: write_module.Tree, targets: dict[int, str]) -> None:
        rename_crops(tree, dict(list(targets.items())[: len(targets) // 2]))
        raise KeyboardInterrupt

    shutil.rmtree(named.tree / STRANGERS)
    monkeypatch.setattr(write_module.Tree, "_rename_crops", pulled_out)
    with pytest.raises(KeyboardInterrupt):
        named.groups()
    monkeypatch.undo()
    outcome = named.groups()
    assert outcome.reading.steps == []
    assert names(outcome) == {"Barack": 5, "Jerry": 6}
    assert named.groups().reading.steps == []


def test_foreign_files_are_reported_and_stay_even_when_their_folder_is_renamed_or_merged(named, album):
    shutil.copy(album / "Stage & screen" / "glasses.jpg", named.tree / "Jerry (7)" / "my favourite.jpg")
    (named.tree / "Jerry (7)" / "notes.txt").write_text("ask Ann")
    (named.tree / "Jerry (7)" / "Thumbs.db").write_bytes(b"x")
    named.rename("Jerry (7)", "Jerome")
    outcome = named.groups()
    assert outcome.reading.foreign == ["Jerome/my favourite.jpg", "Jerome/notes.txt"]
    assert (named.tree / "Jerome (7)" / "notes.txt").read_text() == "ask Ann"
    for crop in named.crops("Jerome (7)"):
        if "~" in crop.name:
            named.move(crop, "Barack (4)")
    outcome = named.groups()
    assert outcome.reading.steps == ["You merged Jerome into Barack (7 faces)."]
    assert contents(named.tree / "Jerome (7)") == {"my favourite.jpg", "notes.txt", "Thumbs.db"}


def test_a_crop_of_another_stick_is_foreign(named, tmp_path, album):
    other = Review(tmp_path / "other")
    other.folder.mkdir()
    other.groups(album / "Washington")
    [crop, *_] = other.crops()
    shutil.copy(crop, named.tree / "Barack (4)" / crop.name)
    outcome = named.groups()
    assert outcome.reading.foreign == [f"Barack (4)/{crop.name}"]
    assert outcome.reading.steps == []


def test_the_groups_of_another_stick_are_not_overwritten(named, tmp_path, album):
    other = Review(tmp_path / "other")
    other.folder.mkdir()
    shutil.copytree(named.tree, other.tree)
    before = contents(other.tree)
    with pytest.raises(DestinationError, match="Move that folder away"):
        other.groups(album / "Washington")
    assert contents(other.tree) == before


def test_a_copied_crop_is_reported_and_says_nothing(named):
    [crop, *_] = named.crops("Jerry (7)")
    shutil.copy(crop, named.tree / "Barack (4)")
    outcome = named.groups()
    assert outcome.reading.steps == []
    assert "1 face lies in two folders" in outcome.reading.notes[0]
    assert names(outcome) == {"Barack": 4, "Jerry": 7}


@pytest.mark.parametrize("name", ['Jerry: "the comic"?', "con", "a/b\\c", "  spaces  ", "x" * 300, "ジェリー"])
def test_any_name_makes_a_folder_that_every_system_can_have(named, tmp_path, name):
    people = tmp_path / "people.json"
    named.groups("--export", people)
    people.write_text(people.read_text("utf-8").replace('"Jerry"', json.dumps(name)), "utf-8")
    outcome = named.groups("--import", people)
    assert outcome.reading.steps == [f"You imported 2 people from {people} (11 faces)."]
    assert names(outcome)[name.strip()] == 7
    assert not [path for path in named.folders() if set(path) & set('<>:"/\\|?*') or len(path.encode()) > 255]
    assert named.groups().reading.steps == []


def test_a_help_text_that_was_deleted_makes_missing_faces_come_back(named):
    (named.tree / HELP).unlink()
    named.crops("Jerry (7)")[0].unlink()
    named.rename("Barack (4)", "Mr President")
    outcome = named.groups()
    assert outcome.reading.steps == ["You renamed Barack to Mr President."]
    assert len(named.crops("Jerry (7)")) == 7
    assert (named.tree / HELP).exists()


# What holds for ever


def test_names_numbers_and_the_users_word_survive_more_photos(tmp_path, album):
    review = Review(tmp_path)
    first = [album / "Stage & screen", album / "Washington"]
    review.groups(*first)
    review.rename(review.of(OBAMA), "Barack")
    review.rename(review.of(SEINFELD), "Jerry")
    review.groups()
    rejected = next(crop for crop in review.crops("Jerry (5)") if "what" in crop.name)
    face = rejected.stem.rpartition("~")[2]
    rejected.unlink()
    before = {person.number: person.name for person in review.groups().people}
    outcome = review.groups(album)
    assert before.items() <= {person.number: person.name for person in outcome.people}.items()
    assert names(outcome)["Barack"] == 4
    [jerry] = [folder for folder in review.folders() if folder.startswith("Jerry")]
    assert face not in review.identities(jerry)
    assert review.photos(jerry) >= {"1992 gala", "monologue", "stand-up", "glasses", "IMG_0047"}
    unsure = review.photos(NOT_SURE)
    assert "street" in review.photos(jerry) | unsure


def test_names_and_the_users_word_survive_another_analyzer(named):
    rejected = next(crop for crop in named.crops("Jerry (7)") if "glasses" in crop.name)
    rejected.unlink()
    named.groups()
    outcome = named.groups("--min-face", "25")
    place = outcome.scan
    assert place and place.analysed, "all photos are analysed anew"
    assert names(outcome) == {"Barack": 4, "Jerry": 6}
    assert "glasses" not in named.photos("Jerry (6)")
    assert named.groups("--min-face", "25").reading.steps == []
    assert names(named.groups("--undo")) == {"Barack": 4, "Jerry": 7}


def test_names_and_the_users_word_survive_another_method(named):
    pytest.importorskip("hdbscan")
    named.crops("Jerry (7)")[0].unlink()
    outcome = named.groups("--method", "hdbscan")
    assert names(outcome)["Jerry"] == 6
    with pytest.raises(UsageError, match="no grouping method"):
        named.groups("--method", "magic")


def test_an_index_from_before_the_groups_keeps_all_it_knows(grouped, tmp_path, album):
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as old:
        old.executescript(f"{SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1;")
        old.execute("ATTACH ? AS now", (str(grouped / "index.sqlite"),))
        for (table,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM now.{table}")
        old.commit()
    outcome = Review(tmp_path).groups(album)
    assert outcome.scan and (outcome.scan.photos, outcome.scan.analysed) == (25, 0)
    assert outcome.people


# Photos out


def photos_in(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.jpg")}


def test_a_persons_photos_are_copied_as_find_copies_them(named, tmp_path, people_in_album):
    outcome = named.groups("--copy", tmp_path / "out", "--person", "jerry")
    assert outcome.copies and outcome.copies.copied == 7
    assert photos_in(tmp_path / "out" / "Jerry") == named.photos("Jerry (7)")
    rows = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {row["person"] for row in rows} == {"Jerry"}
    again = named.groups("--copy", tmp_path / "out", "--person", "Jerry")
    assert again.copies and (again.copies.copied, again.copies.already_there) == (0, 7)
    everybody = named.groups("--copy", tmp_path / "all")
    assert sorted(path.name for path in (tmp_path / "all").iterdir() if path.is_dir()) == ["Barack", "Jerry"]
    assert everybody.to_copy == 11
    assert named.groups("--copy", tmp_path / "dry", "--dry-run").copies is None
    assert not (tmp_path / "dry").exists()


def test_a_video_of_a_group_is_a_match_with_the_times_at_which_the_person_is_seen(named, tmp_path, album):
    face = open_photo((album / "Washington" / "2012" / "DSC_0101.jpg").read_bytes()).pixels(1.0)
    face = face[: face.shape[0] // 2 * 2, : face.shape[1] // 2 * 2]
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "speech.mp4").write_bytes(clip([face] * 20 + [np.zeros_like(face)] * 60 + [face] * 20))
    named.groups(album, tmp_path / "clips")
    outcome = named.groups("--copy", tmp_path / "out", "--person", "Barack")
    [video] = [found for found in outcome.matches if found.source.endswith("speech.mp4")]
    assert (video.verdict, video.when) == ("sure", "0:00, 0:08")
    assert video.moment is not None
    assert all(found.when == "" for found in outcome.matches if found is not video)
    assert [row["seen_at"] for row in json.loads((tmp_path / "out" / "manifest.json").read_text())].count("") == 4


def test_photos_of_people_together_and_of_one_without_the_other(named, tmp_path):
    # The collage of two halves shows one man; its whole shows both.
    step = named.of(WOMAN)
    [crop, *_] = [crop for crop in named.crops(STRANGERS) if "street" in crop.name]
    named.move(crop, "Passer-by")
    outcome = named.groups("--copy", tmp_path / "both", "--person", "Jerry", "--person", "passer-by", "--together")
    assert outcome.names == ["Jerry", "Passer-by"]
    assert photos_in(tmp_path / "both" / "Jerry and Passer-by") == {"street"}
    named.groups("--copy", tmp_path / "alone", "--person", "Jerry", "--without", "Passer-by")
    assert photos_in(tmp_path / "alone" / "Jerry") == named.photos("Jerry (7)") - {"street"}
    numbered = named.groups("--copy", tmp_path / "numbered", "--person", step[:4])
    assert numbered.names == [step[:4]]


def test_a_name_that_nobody_has_is_told_with_those_that_there_are(named, tmp_path, album):
    for run in (named.groups, named.find):
        with pytest.raises(UsageError, match=r"no person called 'Joe'. There are: Barack, Jerry"):
            run("--copy", tmp_path / "out", "--person", "Joe", album / "From phone")
    assert not (tmp_path / "out").exists()


def test_photos_that_are_not_there_now_are_counted(tmp_path, album):
    place = Path(shutil.copytree(album / "Stage & screen", tmp_path / "place"))
    review = Review(tmp_path)
    review.groups(place)
    review.rename(review.of(SEINFELD), "Jerry")
    (place / "1992 gala.jpg").unlink()
    outcome = review.groups("--copy", tmp_path / "out", "--person", "Jerry")
    assert (outcome.absent, outcome.copies and outcome.copies.copied) == (1, len(review.photos("Jerry (5)")) - 1)


# Found for ever


def found(outcome: Outcome) -> dict[str, set[str]]:
    photos: dict[str, set[str]] = defaultdict(set)
    for match in outcome.matches:
        if match.verdict == "sure":
            photos[match.person] |= {Path(path).name for path in (match.source, *match.also_at)}
    return photos


def test_a_named_person_is_found_elsewhere_without_reference_photos(tmp_path, album, refs):
    review = Review(tmp_path)
    review.groups(album / "Stage & screen")
    review.rename(review.of(SEINFELD), "Jerry")
    outcome = review.find("--person", "Jerry", album / "From phone", album / "Sommer é 2019", refs)
    assert outcome.reading.steps[0].startswith("You named group ")
    assert found(outcome)["Jerry"] >= {"IMG_0047.jpg", "street.jpg", "jerry1.jpg"}
    assert set(found(outcome)) == {"Jerry"}


def test_the_users_word_is_stronger_than_distance_in_find(named, album):
    away = next(crop for crop in named.crops("Jerry (7)") if "glasses" in crop.name)
    away.unlink()
    stranger = next(crop for crop in named.crops(STRANGERS) if "portrait 1" in crop.name)
    named.move(stranger, "Jerry (7)")
    outcome = named.find("--person", "Jerry", album)
    assert "glasses.jpg" not in found(outcome)["Jerry"]
    assert "portrait 1.jpg" in found(outcome)["Jerry"]


def test_people_come_from_groups_and_from_refs(named, album, refs, tmp_path):
    both = named.find("--refs", refs, "--person", "Jerry", album)
    assert [person.name for person in both.people] == ["Barack Obama", "Jerry Seinfeld", "Jerry"]
    by_name = named.find("--refs", refs / "Barack Obama", "--person", "Jerry", "--without", "Barack", album)
    assert {person.name for person in by_name.people} == {"Barack Obama", "Jerry"}
    assert not found(by_name)["Barack Obama"]


def test_a_person_in_refs_can_be_asked_for_by_name(review, album, refs, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").symlink_to(ROOT / "models")
    (tmp_path / "home" / "refs").symlink_to(refs)
    review.home = tmp_path / "home"
    outcome = review.find("--person", "barack obama", album)
    assert [person.name for person in outcome.people] == ["Barack Obama"]
    with pytest.raises(UsageError, match=r"There are: Barack Obama, Jerry Seinfeld"):
        review.find("--person", "Joe", album)


def test_together_in_find(named, album, tmp_path):
    outcome = named.find("--person", "Jerry", "--person", "Barack", "--together", album, "--copy", tmp_path / "out")
    assert outcome.matches == []
    assert outcome.copies and outcome.copies.copied == 0


# In and out


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_names_and_faces_travel_to_another_index_and_back(named, grouped, tmp_path, suffix):
    people = tmp_path / f"people.{suffix}"
    assert named.groups("--export", people).exported == 2
    other = Review(Path(shutil.copytree(grouped, tmp_path / "other")))
    outcome = other.groups("--import", people)
    assert names(outcome) == {"Barack": 4, "Jerry": 7}
    other.groups("--export", tmp_path / f"back.{suffix}")
    assert (tmp_path / f"back.{suffix}").read_bytes() == people.read_bytes()
    assert "demo" not in people.read_text("utf-8-sig"), "no paths go out"
    other.groups("--undo")
    assert names(other.groups()) == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"people": [{"name": "x", "faces": [{"sha256": "zz"}]}]}', "\xff"])
def test_a_file_that_is_no_file_of_people_changes_nothing(named, tmp_path, text):
    (tmp_path / "people.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"people\.json"):
        named.groups("--import", tmp_path / "people.json")
    with pytest.raises(UsageError, match=r"\.json or \.csv"):
        named.groups("--export", tmp_path / "people.xls")
    assert len(named.groups("--history").history) == 2


# As a user starts it


def test_a_review_by_command(face_finder_command: Callable, named, tmp_path):
    words = ["--index", tmp_path / "stick" / "index.sqlite", "--groups", named.tree]
    run = face_finder_command("groups", *words)
    assert run.returncode == 0, run.stderr
    assert "2 with a name" in run.stdout
    assert max(len(line) for line in run.stdout.splitlines() if str(tmp_path) not in line) <= 80
    history = face_finder_command("groups", "--history", *words)
    assert "named group" in history.stdout
    result = json.loads(face_finder_command("groups", "--json", *words).stdout)
    assert {person["name"] for person in result["people"]} >= {"Barack", "Jerry"}
    assert "--undo" in face_finder_command("groups", "-h").stdout


def test_every_person_of_the_press_photos_is_a_group(tmp_path, shared_photos):
    review = Review(tmp_path)
    outcome = review.groups(shared_photos / "press")
    assert outcome.scan and outcome.scan.photos == 61
    for number, folder in enumerate(sorted(review.folders())):
        review.rename(folder, f"Somebody {number}")
    review.groups("--export", tmp_path / "people.json")
    photos = {sha256(path): path.parent.name for path in (shared_photos / "press").rglob("*.jpg")}
    groups_of = defaultdict(set)
    for person in json.loads((tmp_path / "people.json").read_text())["people"]:
        labels = {photos[face["sha256"]] for face in person["faces"]}
        assert len(labels) == 1, f"{person['name']} is more than one person: {labels}"
        groups_of[labels.pop()].add(person["name"])
    seen_often = {person for person, count in Counter(photos.values()).items() if count >= 4}
    assert seen_often <= groups_of.keys()
    assert {person: len(groups) for person, groups in groups_of.items()} == dict.fromkeys(groups_of, 1)


def test_nothing_of_a_groups_folder_is_read_twice(named):
    """Also `find` reads; what it has read is not news for the next command."""
    named.rename("Jerry (7)", "Jerome")
    assert named.find("--person", "Jerome", ROOT / "demo" / "refs").reading.steps == ["You renamed Jerry to Jerome."]
    assert named.groups().reading.steps == []
    assert read_module.MANY < 20
    assert os.listdir(named.tree / "Jerome (7)")
