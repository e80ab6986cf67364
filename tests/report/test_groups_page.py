"""The page that a run of `groups` writes, in a real browser: everybody with their faces, or those asked for."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

import face_finder
from facefinder import groups as groups_room
from facefinder.groups import GroupsOutcome, groups
from facefinder.progress import NoProgress
from facefinder.report.write import report_on
from facefinder.settings import Settings, read_settings
from tests.browser import complaints, fits, look, requested


def settings_of(folder: Path, *words: object) -> Settings:
    flags = ["--index", folder / "index.sqlite", "--groups", folder / "groups", "--jobs", "1"]
    return read_settings(["groups", *map(str, [*words, *flags])], face_finder.HOME)


def run(folder: Path, *words: object) -> GroupsOutcome:
    settings = settings_of(folder, *words)
    outcome = groups(settings, NoProgress())
    assert report_on(outcome, settings, NoProgress()) == folder / "report.html"
    return outcome


@pytest.fixture(scope="module")
def grouped(album, tmp_path_factory):
    """A stick on which the album was grouped once."""
    folder = tmp_path_factory.mktemp("grouped")
    run(folder, album)
    return folder


@pytest.fixture
def stick(grouped, tmp_path):
    shutil.copytree(grouped, tmp_path / "stick")
    return tmp_path / "stick"


def sections_of(browser) -> dict[str, str]:
    found = browser.find_elements(By.CSS_SELECTOR, ".person")
    return {section.find_element(By.TAG_NAME, "h2").text: section.text for section in found}


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_everybody_is_there_with_faces_and_how_to_name_them(browser, stick, album, size):
    outcome = run(stick, album)
    look(browser, *size)
    browser.get((stick / "report.html").as_uri())
    assert browser.title == "Who is in these photos – Face Finder"
    sections = sections_of(browser)
    assert list(sections) == [f"{person.number:04}" for person in outcome.people]
    for person, said in zip(outcome.people, sections.values(), strict=True):
        assert f"{person.faces} faces" in said
        assert said.count(".jpg") == person.faces + person.maybe
        assert ("Maybe the same person" in said) == bool(person.maybe)
    head = browser.find_element(By.TAG_NAME, "header").text
    assert f"{len(outcome.people)} people. {outcome.strangers} more faces are nobody's so far." in head
    assert str(stick / "groups") in head
    assert "review" in head
    cards = browser.find_elements(By.CSS_SELECTOR, ".card")
    assert len(cards) == len(outcome.shown)
    assert all(
        browser.execute_script("return arguments[0].naturalWidth > 50", picture)
        for picture in browser.find_elements(By.CSS_SELECTOR, ".card img")
    )
    assert not browser.find_elements(By.CSS_SELECTOR, ".slider")
    assert fits(browser)
    assert complaints(browser) == []
    assert [url for url in requested(browser) if url.startswith(("http", "ws"))] == []


def test_of_many_faces_the_most_alike_are_shown_and_the_rest_is_said_to_be_in_the_folder(
    browser, stick, album, monkeypatch
):
    monkeypatch.setattr(groups_room, "NEAREST_SHOWN", 2)
    monkeypatch.setattr(groups_room, "PEOPLE_SHOWN", 3)
    outcome = run(stick, album)
    browser.get((stick / "report.html").as_uri())
    assert len(sections_of(browser)) == 3
    assert f"{len(outcome.people) - 3} more people are in the folder." in browser.find_element(By.ID, "main").text
    second = list(sections_of(browser).values())[1]
    assert "7 faces" in second
    assert "These are the most alike; the folder has all." in second
    full = run(stick, album, "--person", "0002")
    nearest = sorted(match.distance for match in full.matches)[:2]
    assert [match.distance for match in outcome.shown if match.person == "0002"] == pytest.approx(nearest)


def test_those_asked_for_are_shown_with_all_their_photos_and_links_to_the_copies(browser, stick, album, tmp_path):
    [folder] = (stick / "groups").glob("0002 *")
    folder.rename(folder.with_name("Jerry"))
    outcome = run(stick, "--person", "Jerry", "--copy", stick / "out")
    browser.get((stick / "report.html").as_uri())
    assert list(sections_of(browser)) == ["Jerry"]
    links = [card.get_attribute("href") for card in browser.find_elements(By.CSS_SELECTOR, ".card a")]
    copies = sorted(copy.as_uri() for copy in (stick / "out" / "Jerry").glob("*.jpg"))
    assert sorted(links) == copies
    assert len(copies) == len(outcome.matches) == 7


def test_a_pile_without_faces_says_so(browser, tmp_path):
    (tmp_path / "empty").mkdir()
    outcome = run(tmp_path, tmp_path / "empty")
    assert outcome.people == []
    browser.get((tmp_path / "report.html").as_uri())
    assert "0 people." in browser.find_element(By.TAG_NAME, "header").text


def test_the_end_of_a_run_names_the_page(face_finder_command, album, tmp_path):
    ended = face_finder_command("groups", album, "--groups", tmp_path / "groups")
    assert ended.returncode == 0, ended.stderr
    assert f"All of it on a page to look at, with pictures:\n  {tmp_path / 'report.html'}" in ended.stdout
    assert (tmp_path / "report.html").is_file()
    told = replace(groups(settings_of(tmp_path, album, "--history"), NoProgress()))
    assert told.tree is None
