"""A user with a real browser: from opening the page to a second search that finds more, on a desktop and on a phone."""

import time
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from facefinder.match import Verdict
from tests.browser import complaints, fits, look, requested
from tests.review_page.conftest import opened

JERRY = "Jerry Seinfeld"


class User:
    """Somebody who looks and presses."""

    def __init__(self, browser, served):
        self.browser, self.served = browser, served
        browser.get(served.address)
        WebDriverWait(browser, 10).until(lambda _: self.title == "Who is who")
        browser.get_log("performance")

    @property
    def title(self) -> str:
        found = self.browser.find_elements(By.TAG_NAME, "h1")
        return found[0].text if found else ""

    def one(self, selector: str):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list:
        return list(self.browser.find_elements(By.CSS_SELECTOR, selector))

    def then(self, deed) -> None:
        """Do something that leads to another page, and wait for it."""
        self.browser.execute_script("window.before = true")
        deed()
        ready = "return !window.before && document.readyState === 'complete'"
        WebDriverWait(self.browser, 10).until(lambda browser: browser.execute_script(ready))

    def go(self, path: str) -> None:
        self.browser.get(self.served.base + path)

    def follow(self, text: str) -> None:
        self.then(self.browser.find_element(By.PARTIAL_LINK_TEXT, text).click)

    def press(self, key: str) -> None:
        self.then(lambda: ActionChains(self.browser).send_keys(key).perform())

    def drag(self, what, to) -> None:
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", what)
        chain = ActionChains(self.browser).move_to_element(what).click_and_hold().move_by_offset(15, 10)
        self.then(lambda: chain.move_to_element(to).release().perform())

    def asked_about(self) -> str:
        """The photo in question."""
        return Path(self.one("figcaption").text.splitlines()[0]).stem

    def last(self) -> str:
        return str(self.one(".last span").text)

    def key_of(self, photo: str) -> str:
        """The group without a name that has most faces of a photo."""
        index = self.served.session._index
        like = f"%/{photo}.jpg"

        def faces(group) -> int:
            query = (
                "SELECT count(*) FROM face JOIN place USING (content) WHERE face.id = ? AND CAST(path AS TEXT) LIKE ?"
            )
            return sum(index.rows(query, (face.id, like))[0][0] > 0 for face in group.sure)

        return str(max((one for one in self.served.session.everybody() if not one.name), key=faces).key)


@pytest.fixture
def user(browser, open_page) -> User:
    return User(browser, open_page())


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop, by keyboard", "phone, with the thumb"])
def test_answers_make_the_second_search_find_more(browser, stick, tmp_path, size):
    is_phone = size[0] < 600
    look(browser, *size)
    with opened(stick) as served:
        user = User(browser, served)
        before = stick_found(stick, user)
        user.follow("4 to decide")
        assert user.title == f"Is this {JERRY}?"
        keys = [key.text for key in user.all(".answers kbd, .last kbd") if key.is_displayed()]
        assert keys == ([] if is_phone else ["Y", "N", "S"])
        answered = []
        while "answered" not in user.title:
            answered.append(user.asked_about())
            assert browser.save_screenshot(str(tmp_path / f"question {len(answered)}.png"))
            if is_phone:
                user.then(user.one(".answers button").click)
            else:
                user.press("y")
            assert fits(browser)
        maybe = {name for name, verdict in before.items() if verdict is Verdict.MAYBE}
        assert set(answered) < maybe, "what an answer makes sure is not asked any more"
        assert user.title == f"{JERRY}: all answered"
        assert complaints(user.browser) == []
        assert all(address.startswith(user.served.base) for address in requested(user.browser))
        user.then(user.one("form[action='/done'] button").click)
        assert user.title == "Thank you"
        assert user.served.wait(10)
    after = stick.found(JERRY)
    assert {after[name] for name in maybe} == {Verdict.SURE}
    assert sum(verdict is Verdict.SURE for verdict in after.values()) == 7
    assert sum(verdict is Verdict.SURE for verdict in before.values()) == 3


def stick_found(stick, user) -> dict[str, Verdict]:
    """What the search had found, as the page shows it."""
    rows = user.served.session._index.rows
    jerry = next(person for person in user.served.session.everybody() if person.called == JERRY)
    names = {}
    for verdict, faces in ((Verdict.SURE, jerry.sure), (Verdict.MAYBE, jerry.maybe)):
        for face in faces:
            [(path,)] = rows("SELECT min(path) FROM place WHERE content = ?", (face.content,))
            names[Path(path.decode()).stem] = verdict
    return names


def test_no_undo_and_skip_by_keyboard(user):
    user.follow("4 to decide")
    first = user.asked_about()
    user.press("n")
    assert user.last() == f"You said of 1 face: not {JERRY}."
    assert user.asked_about() != first
    user.press("u")
    assert user.asked_about() == first
    user.press("s")
    assert user.last() == "You skipped a face."
    user.press("u")
    assert user.asked_about() == first
    assert user.all(".last")[0:1] == []


def test_a_group_is_named_by_typing_and_merged_by_dragging_one_card_onto_another(user):
    elton, woman = user.key_of("red glasses"), user.key_of("many faces")
    user.go(f"/person/{elton}")
    assert user.browser.switch_to.active_element.get_attribute("name") == "name"
    user.then(lambda: ActionChains(user.browser).send_keys("Elton" + Keys.ENTER).perform())
    assert user.title == "Elton"
    user.go("/")
    cards = {card.get_attribute("data-target"): card for card in user.all(".card")}
    user.drag(cards[woman], cards[elton])
    assert user.title == "Elton"
    assert "merged" in user.last()
    user.then(user.one(".last button").click)
    assert [step.undone for step in user.served.session.steps()] == [True, False]
    assert complaints(user.browser) == []


def test_faces_are_split_off_by_dragging_and_moved_by_keyboard(user):
    woman = user.key_of("many faces")
    user.go(f"/person/{woman}")
    faces = user.all("label.face")
    chosen = [face.find_element(By.TAG_NAME, "input").get_attribute("value") for face in faces[:2]]
    for face in faces[:2]:
        face.click()
    assert user.one("#selected .count").text == "2 faces chosen"
    user.drag(faces[1], user.one(".targets [data-target=new]"))
    made = user.title
    assert user.last() == f"You made a new person, {made}, of 2 faces."
    assert {box.get_attribute("value") for box in user.all("input[name=face]")} == set(chosen)
    # By keyboard: a face with the space bar, the others with the arrows, the person from the list.
    user.one("input[name=face]").send_keys(Keys.SPACE, Keys.ARROW_RIGHT)
    user.browser.switch_to.active_element.send_keys(Keys.SPACE)
    Select(user.one("#to")).select_by_value(woman)
    user.then(lambda: user.one("#to-chosen").send_keys(Keys.ENTER))
    assert "moved 2 faces" in user.last()
    user.go("/history")
    assert [step.text.split()[1] for step in user.all(".steps li")] == ["moved", "made"]
    assert complaints(user.browser) == []


def test_a_wrong_face_among_the_sure_ones_is_rejected(user, stick):
    user.go("/")
    user.then(user.browser.find_element(By.PARTIAL_LINK_TEXT, JERRY).click)
    user.all("label.face")[0].click()
    user.then(user.browser.find_element(By.XPATH, f"//button[.='Not {JERRY}']").click)
    assert user.last() == f"You took 1 face out of {JERRY}."


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_everything_fits_and_is_done_with_the_thumb(browser, open_page, tmp_path, dark):
    look(browser, 390, 844, dark)
    user = User(browser, open_page())
    woman = user.key_of("many faces")
    for path in ("/", f"/person/{woman}", "/history"):
        user.go(path)
        assert fits(browser), path
        assert browser.save_screenshot(str(tmp_path / f"{len(path)}.png"))
    user.go("/")
    user.follow("4 to decide")
    assert fits(browser)
    buttons = user.all(".answers button")
    assert all(button.size["height"] >= 44 and button.size["width"] >= 80 for button in buttons)
    assert all(button.location["y"] + button.size["height"] < 844 for button in buttons), "no scrolling to answer"
    user.then(buttons[0].click)
    assert user.last() == f"You said of 1 face: {JERRY}."
    user.go(f"/person/{woman}")
    user.all("label.face")[0].click()
    assert fits(browser)
    user.then(user.one("#to-chosen").click)
    assert "made a new person" in user.last()
    assert complaints(browser) == []


def test_the_faces_are_one_stop_of_the_tab_key(user):
    user.go(f"/person/{user.key_of('many faces')}")
    boxes = user.all("input[name=face]")
    assert [box.get_attribute("tabindex") for box in boxes] == ["0", *["-1"] * (len(boxes) - 1)]
    boxes[0].send_keys(Keys.ARROW_RIGHT)
    assert [box.get_attribute("tabindex") for box in boxes].index("0") == 1


def test_a_moment_without_an_answer_is_not_the_end(user):
    user.browser.execute_script("window.asked = fetch; fetch = () => Promise.reject(new Error('offline')); alive()")
    WebDriverWait(user.browser, 5).until(lambda _: user.all(".gone"))
    user.browser.execute_script("fetch = window.asked; alive()")
    WebDriverWait(user.browser, 5).until(lambda _: not user.all(".gone"))


def test_each_question_that_is_counted_has_a_button(user):
    asked = sum(int(button.text.split()[0]) for button in user.all(".ask"))
    assert user.one(".lead").text.startswith(f"{asked} faces wait")


def test_scripts_in_names_do_not_run(user):
    group = next(one for one in user.served.session.everybody() if not one.name)
    user.served.session.name(group, "<img src=x onerror=document.title='hacked'>")
    for path in ("/", f"/person/{group.key}", "/history"):
        user.go(path)
        assert "hacked" not in user.browser.title.replace("document.title='hacked'", "")
        assert "onerror" in user.one("main").text
    assert complaints(user.browser) == []


def test_everything_has_a_label_and_the_keyboard_gets_everywhere(user):
    woman = user.key_of("many faces")
    for path in ("/", f"/person/{woman}", "/history"):
        user.go(path)
        named = """return [...document.querySelectorAll('input:not([type=hidden]), select, button, a')].filter(
            (part) => !part.closest('[hidden]') && !(part.innerText || part.ariaLabel || part.labels?.[0]?.innerText)
        ).map((part) => part.outerHTML)"""
        assert user.browser.execute_script(named) == []
        assert user.browser.execute_script("return [...document.images].every((one) => one.hasAttribute('alt'))")
        assert len(user.all("h1")) == 1
        assert user.one("html").get_attribute("lang") == "en"
    ActionChains(user.browser).send_keys(Keys.TAB).perform()
    assert user.browser.switch_to.active_element.text == "To the content"


def test_a_page_whose_program_has_ended_says_so(user):
    user.served.sitting.finish()
    assert user.served.wait(10)
    user.browser.execute_script("alive()")
    deadline = time.monotonic() + 5
    while not user.all(".gone") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "start it again" in user.one(".gone").text
