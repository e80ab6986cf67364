"""What stands in a page is escaped, only our own scripts run, and nothing is asked of other sites."""

from pathlib import Path

import pytest

from facefinder.media.rules import Reason
from facefinder.pages.templates import FOLDER, Texts, environment, inline
from facefinder.report.write import OWN
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
    page = environment(tmp_path).get_template("page.html").render(name=name, code=code, style=style, allowed=allowed)
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
