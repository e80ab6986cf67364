"""A user looks at the page in a real browser, on a desktop and on a phone, without a network or the program."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import face_finder
from facefinder.find import find
from facefinder.groups import groups
from facefinder.match import Verdict
from facefinder.media.rules import Reason
from facefinder.pages.language import Texts
from facefinder.progress import NoProgress
from facefinder.report.page import Card, Report, Run, Section, in_html
from facefinder.report.runs import OWN
from facefinder.report.write import report_on
from facefinder.settings import read_settings
from tests.browser import complaints, fits, look, requested

TWO_FRAMES = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
SEEN = "const image = arguments[0].querySelector('img'); return image.complete && image.naturalWidth > 50;"


@pytest.fixture
def outcome(browser, looked_at):
    """The page is open; what the search found."""
    stick, outcome = looked_at
    browser.get(stick.page.as_uri())
    return outcome


def all_of(browser, selector: str) -> list:
    return list(browser.find_elements(By.CSS_SELECTOR, selector))


def files(cards) -> list[str]:
    return [card.find_element(By.CSS_SELECTOR, ".file").text for card in cards]


def press(browser, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()
    browser.execute_async_script(TWO_FRAMES)


def expected(matches, person: str, verdict: Verdict) -> list[str]:
    return [Path(match.source).name for match in matches if (match.person, match.verdict) == (person, verdict)]


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_each_match_is_there_with_its_face_marked_best_first_and_maybes_apart(browser, outcome, size):
    look(browser, *size)
    maybe = 0
    for section, person in zip(all_of(browser, ".person"), outcome.people, strict=True):
        assert section.find_element(By.TAG_NAME, "h2").text == person.name
        sheets = section.find_elements(By.CSS_SELECTOR, ":scope > .sheet")
        wanted = [expected(outcome.matches, person.name, verdict) for verdict in Verdict]
        shown = [files(sheet.find_elements(By.CSS_SELECTOR, ".card")) for sheet in sheets]
        assert shown == [names for names in wanted if names]
        maybe += len(wanted[1])
    assert maybe
    for card in all_of(browser, ".person > .sheet > .card"):
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", card)
        browser.execute_async_script(TWO_FRAMES)
        assert browser.execute_script(SEEN, card), card.text
    assert fits(browser)
    assert complaints(browser) == []
    assert [url for url in requested(browser) if url.startswith(("http", "ws"))] == []


def test_a_card_says_how_alike_where_and_when_and_leads_to_the_photo(browser, outcome):
    cards = {name: card for card in all_of(browser, ".card") for name in files([card])}
    match = next(match for match in outcome.matches if match.taken)
    card = cards[Path(match.source).name]
    assert f"{match.distance:.2f}" in card.text
    assert match.taken[:10].replace(":", "-") in card.text
    assert str(Path(match.source).parent.relative_to(outcome.places[0].parent)) in card.text
    link = card.find_element(By.TAG_NAME, "a")
    assert link.get_attribute("title").splitlines()[0] == str(Path(match.source).parent)
    assert link.get_attribute("href") == Path(match.source).as_uri()
    assert "very alike" in cards["IMG_0032.jpg"].text
    no_camera = next(match for match in outcome.matches if not match.taken)
    day = time.strftime("%Y-%m-%d", time.localtime(Path(no_camera.source).stat().st_mtime))
    assert f"file dated {day}" in cards[Path(no_camera.source).name].text
    assert any("less alike" in card.text for card in cards.values())


def test_the_slider_shows_what_a_search_with_that_threshold_takes(browser, outcome, looked_at):
    slider, takes = browser.find_element(By.ID, "threshold"), browser.find_element(By.ID, "takes")
    start = slider.get_attribute("value")
    assert float(start) == outcome.limits.sure
    slider.send_keys(Keys.LEFT * 12)
    for _ in range(2):
        browser.execute_async_script(TWO_FRAMES)
        threshold = slider.get_attribute("value")
        taken = sorted(files(all_of(browser, ".card.taken")))
        really = looked_at[0].find("--threshold", threshold)
        assert taken == sorted(Path(match.source).name for match in really.matches)
        photos = "photo" if len(taken) == 1 else "photos"
        assert takes.text == f"--threshold {threshold} takes {len(taken)} {photos}."
        assert taken
        slider.send_keys(Keys.RIGHT * 22)
    browser.find_element(By.CSS_SELECTOR, ".slider button").click()
    browser.execute_async_script(TWO_FRAMES)
    assert slider.get_attribute("value") == start
    assert "trying" not in browser.find_element(By.TAG_NAME, "body").get_attribute("class")


def slide(browser, threshold: float) -> list[str]:
    """Move the slider there; what it says is taken, with each photo as often as people are found on it."""
    script = """const slider = document.getElementById('threshold');
    slider.value = arguments[0]; slider.dispatchEvent(new Event('input'));"""
    browser.execute_script(script, threshold)
    browser.execute_async_script(TWO_FRAMES)
    names = "return [...document.querySelectorAll('.card.taken .file')].map((file) => file.textContent)"
    return sorted(browser.execute_script(names))


def test_the_slider_knows_the_users_word(browser, stick, album):
    """Faces that the user named are taken by any threshold, however strict."""
    words = ["--index", stick.folder / "index.sqlite", "--groups", stick.folder / "groups", "--jobs", "1"]

    def groups_of(*more: object) -> None:
        groups(read_settings(["groups", *map(str, [*more, *words])], face_finder.HOME), NoProgress())

    groups_of(album)
    [folder] = (stick.folder / "groups").glob("0002 *")
    folder.rename(folder.with_name("Jerry"))
    groups_of()
    settings = replace(stick.settings("--person", "Jerry"), from_refs=False, groups=stick.folder / "groups")
    outcome = find(settings, NoProgress())
    report_on(outcome, settings, NoProgress())
    browser.get(stick.page.as_uri())
    assert len(outcome.matches) >= 7
    for threshold in (0.05, 0.2, 0.46, 0.6):
        distance = {"threshold": threshold}
        really = find(replace(settings, **distance), NoProgress())
        assert slide(browser, threshold) == sorted(Path(match.source).name for match in really.matches), threshold
    assert "by your word" in browser.find_element(By.ID, "main").text


@pytest.mark.parametrize("words", [["--together"], ["--threshold", "0.12"], ["--distance", "angular"]])
def test_the_slider_agrees_with_a_search_whatever_else_was_asked_for(browser, stick, album, words, tmp_path):
    pair = tmp_path / "pair"
    pair.mkdir()
    names = ("DSC_0101 left half.jpg", "glasses.jpg", "monologue.jpg")
    left, *others = [Image.open(next(album.rglob(name))).convert("RGB").resize((400, 500)) for name in names]
    for number, right in enumerate(others):
        both = Image.new("RGB", (800, 500))
        both.paste(left, (0, 0))
        both.paste(right, (400, 0))
        both.save(pair / f"both {number}.jpg", quality=95)
    outcome = stick.report(pair, *words)
    browser.get(stick.page.as_uri())
    end = float(browser.find_element(By.ID, "threshold").get_attribute("max"))
    for threshold in (round(share * end, 2) for share in (0.45, 0.7, 0.8, 0.9, 1)):
        really = stick.find(pair, *words, "--threshold", threshold)
        sure = [Path(match.source).name for match in really.matches if match.verdict is Verdict.SURE]
        assert slide(browser, threshold) == sorted(sure), threshold
    assert outcome.scan.photos > 20


def test_a_threshold_with_few_digits_is_no_trying(browser, stick):
    stick.report("--threshold", "0.5")
    browser.get(stick.page.as_uri())
    assert "trying" not in browser.find_element(By.TAG_NAME, "body").get_attribute("class")
    slide(browser, 0.4)
    assert "trying" in browser.find_element(By.TAG_NAME, "body").get_attribute("class")
    slide(browser, 0.5)
    assert "trying" not in browser.find_element(By.TAG_NAME, "body").get_attribute("class")


def test_after_going_back_the_slider_says_what_is_to_be_seen(browser, outcome):
    slide(browser, 0.2)
    browser.get("about:blank")
    browser.back()
    browser.execute_async_script(TWO_FRAMES)
    value = float(browser.find_element(By.ID, "threshold").get_attribute("value"))
    takes = browser.find_element(By.ID, "takes").text
    assert (value == outcome.limits.sure) == takes.startswith("Sure up to"), (value, takes)


def test_without_somebody_there_is_no_slider_and_nobody_counts_as_ruled_out(browser, stick):
    outcome = stick.report("--without", "Jerry Seinfeld")
    assert [person.name for person in outcome.people] == ["Barack Obama"]
    browser.get(stick.page.as_uri())
    assert not all_of(browser, ".slider")
    said = browser.find_element(By.ID, "main").text
    assert "without Jerry Seinfeld" in said
    assert "ruled out" not in said


def test_a_photo_of_two_people_is_one_photo(browser, stick, album, tmp_path):
    card = Card(None, "x.jpg", "x.jpg", "/x", "x", "", "", "", 0.3, "well", taken_from=0.3, photo=7)
    sections = [Section(name, [card], []) for name in ("Mom", "Dad")]
    page = tmp_path / "report.html"
    page.write_text("".join(in_html(replace(a_report("x"), sections=sections))))
    browser.get(page.as_uri())
    assert browser.find_element(By.CSS_SELECTOR, ".lead").text == "1 photo of 2 people."
    slide(browser, 0.31)
    assert browser.find_element(By.ID, "takes").text == "--threshold 0.31 takes 1 photo."


def test_what_only_a_looser_threshold_takes_is_shown_when_it_does(browser, stick):
    farthest = max(match.distance for match in stick.find().matches)
    outcome = stick.report("--threshold", round(farthest / 1.1, 2))
    assert outcome.further
    browser.get(stick.page.as_uri())
    further = [Path(match.source).name for match in outcome.further]
    cards = all_of(browser, ".further .card")
    assert not any(card.is_displayed() for card in cards)
    slider = browser.find_element(By.ID, "threshold")
    slider.send_keys(Keys.END)
    browser.execute_async_script(TWO_FRAMES)
    assert files(cards) == further
    assert all("taken" in card.get_attribute("class") for card in cards)


def test_arrow_keys_walk_through_the_photos(browser, outcome):
    first, *others = browser.find_elements(By.CSS_SELECTOR, ".person .sheet")[0].find_elements(By.TAG_NAME, "a")
    browser.execute_script("arguments[0].focus()", first)
    press(browser, Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element == others[0]
    press(browser, Keys.END)
    assert browser.switch_to.active_element == others[-1]
    press(browser, Keys.HOME)
    assert browser.switch_to.active_element == first
    stops = [link.get_attribute("tabindex") for link in (first, *others)]
    assert stops.count("0") == 1


def test_a_screen_reader_finds_its_way(browser, outcome):
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    said = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
    roles = [role for role, _ in said]
    assert {"main", "navigation", "banner", "contentinfo", "region"} <= set(roles)
    assert ("slider", "How strict?") in said
    assert ("heading", "What was found") in said
    images = [name for role, name in said if role == "image"]
    assert set(images) >= {"Barack Obama", "Jerry Seinfeld"}
    assert "" not in images


def test_light_and_dark_differ_and_both_can_be_read(browser, outcome):
    colours = """const style = getComputedStyle(document.documentElement);
    const brightness = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
    return [style.backgroundColor, style.color].map(brightness)"""
    ground, text = browser.execute_script(colours)
    look(browser, dark=True)
    dark_ground, dark_text = browser.execute_script(colours)
    assert ground - text > 400
    assert dark_text - dark_ground > 400


def test_references_and_what_is_wrong_with_them(browser, outcome):
    for section, person in zip(all_of(browser, ".person"), outcome.people, strict=True):
        pictures = section.find_elements(By.CSS_SELECTOR, ".references img")
        assert len(pictures) == len(person.references)
        for path, reason in person.problems:
            assert f"{path}: {reason}" in section.text
    assert any(person.problems for person in outcome.people)


def test_the_page_tells_how_many_photos_were_probably_missed_and_how_that_is_known(browser, outcome):
    assert outcome.shares
    for section, person in zip(all_of(browser, ".person"), outcome.people, strict=True):
        said = section.text
        if share := outcome.shares.get(person.name):
            assert f"The sure ones are probably {share.share:.0%} of all photos" in said
            assert f"between {share.low:.0%} and {share.high:.0%}" in said
            section.find_element(By.CSS_SELECTOR, ".how summary").click()
            assert "It is an estimate" in section.text
        else:
            assert "too little to say" in said


def a_report(name: str, loosest: float = 0.66) -> Report:
    card = Card(
        None, "x.jpg", f"{name}.jpg", f"/photos/{name}", f"photos/{name}", "2019-05-01", "", "0:12, 1:05", 0.3, "well"
    )
    return Report(
        sections=[Section(name, [card], [], problems=[(f"/refs/{name}", name)])],
        sure=0.46,
        maybe=0.58,
        loosest=loosest,
        run=Run(
            made="2026-01-01 12:00",
            computer=name,
            places=[f"/{name}"],
            photos=3,
            videos=1,
            analysed=2,
            seconds=3725.0,
            model="sface",
            measure="cosine",
            unreadable=[(f"/photos/{name}", f"empty {name}")],
            passed_over=[("cloud", 7, [f"/cloud/{name}"])],
            gone=[f"/disk/{name}"],
        ),
    )


def test_hostile_names_of_files_and_people_are_only_text(browser, tmp_path):
    name = (
        """</style></script><script>document.title='hacked'</script><img src=x onerror="document.title='hacked'">'\""""
    )
    page = tmp_path / "report.html"
    page.write_text("".join(in_html(a_report(name))))
    browser.get(page.as_uri())
    assert browser.title == "What was found – Face Finder"
    assert browser.find_element(By.TAG_NAME, "h2").text == name
    assert files(all_of(browser, ".card")) == [f"{name}.jpg"]
    assert complaints(browser) == []
    assert all_of(browser, "img") == []
    look(browser, 390, 844)
    assert fits(browser)


def test_what_went_wrong_how_long_it_took_and_when_in_a_video(browser, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("".join(in_html(a_report("Mom"))))
    browser.get(page.as_uri())
    for summary in all_of(browser, "summary"):
        summary.click()
    said = browser.find_element(By.TAG_NAME, "body").text
    for part in (
        *("1 file could not be read", "/photos/Mom: empty Mom", "7 files that are only in the cloud", "/cloud/Mom"),
        *("and 6 more", "3 photos, 1 video, 2 of them for the first time", "1 h 02 min", "On the computer Mom"),
        *("/disk/Mom went away while it was searched", "2019-05-01", "0:12, 1:05", "No picture", "Model sface"),
    ):
        assert part in said, part


def test_whatever_is_passed_over_has_words():
    text = Texts()
    for reason in set(Reason) - OWN:
        assert text(f"report.passed_over.{reason.name.lower()}", count=2).startswith("2 ")


@pytest.mark.parametrize(("loosest", "decimals"), [(0.66, 2), (1.2, 2), (0.05, 3)])
def test_the_slider_is_fine_enough_for_models_with_small_distances(loosest, decimals):
    assert a_report("Mom", loosest=loosest).decimals == decimals
