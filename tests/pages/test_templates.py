"""What stands in a page is escaped, only our own scripts run, and nothing is asked of other sites."""

import tomllib
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from facefinder.errors import UsageError
from facefinder.media.rules import NotSearched, Reason
from facefinder.pages import language
from facefinder.pages.language import Texts
from facefinder.pages.templates import FOLDER, environment, inline
from facefinder.report.page import Grouped, Report, in_html
from facefinder.report.runs import OWN, run_of
from facefinder.scan import ScanReport
from facefinder.settings import read_settings
from tests.browser import complaints, fits, look, requested


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with a hostile name, its own script, and a script and a picture that are not ours."""
    script = tmp_path / "own.js"
    script.write_text("document.title += ' own';")
    code, allowed = inline(script)
    style, _ = inline(FOLDER / "style.css")
    (tmp_path / "page.html").write_text(
        """<!doctype html><html lang="{{ text('common.language') }}">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {{ allowed }}">
        <title>{{ text("common.photos", count=1) }}</title><style>{{ style }}</style>
        <p>{{ name }}</p><script>{{ code }}</script><script>document.title += ' foreign';</script>
        <img src="http://127.0.0.1:9/x.png" alt="">"""
    )
    name = "<script>document.title = 'hacked'</script>"
    path = tmp_path / "filled.html"
    page = (
        environment(tmp_path, language="en")
        .get_template("page.html")
        .render(name=name, code=code, style=style, allowed=allowed)
    )
    path.write_text(page)
    return path


def test_hostile_names_are_inert_and_only_our_scripts_run(browser, page):
    browser.get(page.as_uri())
    assert browser.title == "1 photo own"
    assert "hacked" in browser.find_element("tag name", "p").text
    assert any("Content Security Policy" in complaint for complaint in complaints(browser))
    assert requested(browser) == [page.as_uri()]
    look(browser, 390, 844)
    assert fits(browser)


def test_a_text_is_filled_in_and_agrees_with_its_count():
    text = Texts()
    assert [text("common.photos", count=count) for count in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
    with pytest.raises(KeyError):
        text("common.absent")


def test_there_is_a_text_for_all_that_is_passed_over():
    for reason in set(Reason) - OWN:
        assert Texts()(f"report.passed_over.{reason.name.lower()}", count=2).startswith("2 ")


def test_another_language_is_one_more_file(tmp_path, monkeypatch, browser):
    english = (language.FOLDER / "en.toml").read_text("utf-8")
    (tmp_path / "en.toml").write_text(english, "utf-8")
    german = english.replace('language = "en"', 'language = "de"').replace("Who is in these photos", "Wer ist darauf?")
    (tmp_path / "de.toml").write_text(german, "utf-8")
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    settings = read_settings(["groups", "--language", "de"], tmp_path)
    assert settings.language == "de"
    (tmp_path / "face_finder.toml").write_text('language = "de"')
    assert {read_settings([command], tmp_path).language for command in ("find", "groups", "review")} == {"de"}
    with pytest.raises(UsageError, match="de.*en"):
        read_settings(["--language", "fr"], tmp_path)
    page = tmp_path / "report.html"
    report = Report([], 0.46, 0.58, 0.58, run_of(ScanReport(), NotSearched(), [], 1.0, settings), Grouped("g", 0, 0, 0))
    page.write_text("".join(in_html(report, settings.language)))
    browser.get(page.as_uri())
    assert browser.title == "Wer ist darauf? – Face Finder"
    assert browser.find_element("tag name", "html").get_attribute("lang") == "de"


def fields(table: dict[str, Any], above: str = "") -> dict[str, set[str]]:
    """Dotted name -> the fields of the text, of one language."""
    found: dict[str, set[str]] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= fields(value, f"{above}{name}.")
        else:
            found[above + name] = {field for _, field, _, _ in Formatter().parse(value) if field}
    return found


def test_every_language_has_all_texts_with_fields_that_the_program_fills_in():
    english = fields(tomllib.loads((language.FOLDER / "en.toml").read_text("utf-8")))
    for name in language.languages():
        own = fields(tomllib.loads((language.FOLDER / f"{name}.toml").read_text("utf-8")))
        assert own.keys() == english.keys(), name
        assert all(own[text] <= english[text] for text in english), name
