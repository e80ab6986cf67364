"""The page is written beside the index, in one piece, and never over somebody else's file."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from facefinder.progress import NoProgress
from facefinder.report.pictures import AROUND, LARGE, Wanted, make_pictures
from facefinder.report.write import PART, ReportError, report_on


class Counted(NoProgress):
    """Remembers how many photos were opened for their pictures."""

    def __init__(self):
        self.total = 0

    def start(self, what: str, total: int) -> None:
        self.total = total


def test_a_second_page_takes_the_pictures_of_the_first(stick):
    before = stick.page.read_text().count("data:image/jpeg")
    outcome, progress = stick.find(), Counted()
    assert report_on(outcome, stick.settings(), progress) == stick.page
    assert progress.total == sum(len(person.references) for person in outcome.people)
    assert stick.page.read_text().count("data:image/jpeg") == before
    stick.page.unlink()
    report_on(outcome, stick.settings(), progress)
    assert progress.total > len(outcome.matches)
    assert stick.page.read_text().count("data:image/jpeg") == before


def test_the_mark_lies_around_the_face(looked_at):
    [match] = [match for match in looked_at[1].matches if match.source.endswith("IMG_2051 (1).jpg")]
    photo = (match.width, match.height)
    marked, plain = (
        Wanted((match.source,), bytes.fromhex(match.sha256), match.box, None, size) for size in (photo, None)
    )
    made = make_pictures([marked, plain], LARGE, {}, 1, NoProgress())
    with_mark, without = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(made[face])))).astype(int) for face in (marked, plain)
    )
    changed = np.argwhere(np.abs(with_mark - without).max(axis=2) > 60)
    # The face is in the middle of this photo, so that it is in the middle of its picture.
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    scale = LARGE / (max(match.box[2:]) * AROUND)
    assert (left + right) / 2 == pytest.approx(LARGE / 2, abs=3)
    assert right - left == pytest.approx(match.box[2] * scale, abs=6)
    assert bottom - top == pytest.approx(match.box[3] * scale, abs=6)
    assert with_mark[changed[:, 0], changed[:, 1]].min(axis=1).max() > 240


def test_a_page_of_somebody_else_is_left_alone_and_the_search_is_done_all_the_same(stick, face_finder_command):
    stick.page.write_text("<title>My own page</title>")
    run = face_finder_command("--refs", stick.refs, stick.place, "--index", stick.folder / "index.sqlite")
    assert run.returncode == 0, run.stderr
    said = " ".join(run.stdout.split())
    assert f"There is no page to look at: {stick.page} is not a page of this program. Move it away" in said
    assert stick.page.read_text() == "<title>My own page</title>"


def test_what_cannot_be_written_is_said_and_nothing_is_left(stick, monkeypatch):
    outcome, before = stick.find(), stick.page.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facefinder.report.write.os.fsync", full)
    with pytest.raises(ReportError, match="report.html cannot be written: No space left on device"):
        report_on(outcome, stick.settings(), NoProgress())
    assert stick.page.read_bytes() == before
    assert not (stick.folder / PART).exists()


def test_copies_on_the_stick_are_linked_from_there_under_any_drive_letter(stick, face_finder_command):
    run = face_finder_command(
        *("--refs", stick.refs, stick.place, "--index", stick.folder / "index.sqlite"),
        *("--copy", stick.folder / "found", "--json"),
    )
    assert json.loads(run.stdout)["report"] == str(stick.page)
    page = stick.page.read_text()
    assert 'href="found/Barack%20Obama/IMG_2051%20%281%29.jpg"' in page
    assert page.count('href="found/') == len(json.loads(run.stdout)["matches"])


def test_a_photo_that_is_gone_is_shown_without_its_picture(stick, album, tmp_path):
    stick.place = tmp_path / "place"
    stick.place.mkdir()
    shutil.copy(album / "From phone" / "IMG_0032.jpg", stick.place)
    outcome = stick.find()
    (stick.place / "IMG_0032.jpg").unlink()
    stick.page.unlink()
    report_on(outcome, stick.settings(), NoProgress())
    page = stick.page.read_text()
    assert "IMG_0032.jpg" in page
    assert "No picture" in page
