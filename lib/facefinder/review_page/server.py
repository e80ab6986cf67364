"""The pages and what their buttons do; and the server that shows them to one browser on this computer."""

import logging
import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from threading import RLock
from typing import Any

import bottle
import waitress
from waitress import wasyncore

from facefinder.errors import IndexFileError
from facefinder.index import Index
from facefinder.pages.language import ENGLISH
from facefinder.pages.templates import FOLDER, environment
from facefinder.review.word import Verdict
from facefinder.review_page.album import Somebody
from facefinder.review_page.gate import HOST, Application, Gate
from facefinder.review_page.pictures import Pictures, origin
from facefinder.review_page.session import Refused, Session

HERE = Path(__file__).parent
ON_ONE_PAGE = 400  # faces
MOST_AT_ONCE = 5000  # faces that one form may name
LONG_CLOSED = 600.0  # seconds without a sign of life from the page after which the server ends
LAST_ANSWER = 1.0  # seconds to answer in, after the user said that they are done
LARGEST_FORM, LARGEST_HEAD = 1 << 16, 1 << 14  # bytes; a form with MOST_AT_ONCE faces fits

IN_MEMORY = 1 << 30  # bytes; of more the server would make a temporary file, on somebody else's computer

PAGE = re.compile(r"/(history|person/(?P<key>r?[0-9]{1,9})(/maybe)?)?")
NUMBER, KEY = "re:[0-9]{1,15}", "re:r?[0-9]{1,9}"


class Sitting:
    """How long the page has been closed. The time that a computer sleeps hardly counts."""

    def __init__(self, long_closed: float):
        self._left = self._long_closed = long_closed
        self._looked = time.monotonic()

    def sign_of_life(self) -> None:
        """Somebody asked for something."""
        self._left = self._long_closed

    def finish(self) -> None:
        """The user is done."""
        self._left = self._long_closed = LAST_ANSWER

    def is_over(self) -> bool:
        """To be asked about once a second."""
        now = time.monotonic()
        self._left -= min(now - self._looked, 5.0)
        self._looked = now
        return self._left <= 0


def serve(application: Application, is_over: Callable[[], bool], on_start: Callable[[int], None]) -> None:
    """Answer requests from this computer until it is over. on_start gets the port, which is free and new each time."""
    sockets: dict[int, Any] = {}
    logging.getLogger("waitress").setLevel(logging.ERROR)
    server = waitress.create_server(
        application,
        map=sockets,
        host=HOST,
        port=0,
        threads=4,
        ident=None,
        max_request_body_size=LARGEST_FORM,
        max_request_header_size=LARGEST_HEAD,
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
        clear_untrusted_proxy_headers=True,
    )
    try:
        on_start(server.effective_port)
        while not is_over():
            wasyncore.loop(timeout=1.0, map=sockets, count=1)
    finally:
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)


def pages(index: Index, session: Session, sitting: Sitting, program: str, language: str = ENGLISH) -> Gate:
    """The whole application. program: what starts it, run.sh or run.bat. language: one of pages/texts."""
    templates = environment(HERE / "templates", language=language)
    templates.globals["program"] = program
    templates.filters["day_and_time"] = lambda made: time.strftime("%Y-%m-%d %H:%M", time.localtime(made))
    refusal = templates.get_template("refused.html").render()
    return Gate(_Pages(index, session, sitting, templates).application, refusal.encode())


class _Pages:
    """The routes. One request at a time is worked on, but for the cutting of pictures."""

    def __init__(self, index: Index, session: Session, sitting: Sitting, templates: Any):
        self._index, self._session, self._sitting, self._templates = index, session, sitting, templates
        self._pictures = Pictures()
        self._lock = RLock()
        self._notice = ""
        self.application = bottle.Bottle()
        self.application.default_error_handler = self._failed
        get, post = self.application.get, self.application.post
        get("/", callback=self._in_turn(self._home))
        get(f"/person/<key:{KEY}>", callback=self._in_turn(self._person))
        get(f"/person/<key:{KEY}>/maybe", callback=self._in_turn(self._question))
        get("/history", callback=self._in_turn(self._history))
        get(f"/face/<face:{NUMBER}>/<size:re:face|large|photo>.jpg", callback=self._picture)
        get("/style.css", callback=lambda: self._file("text/css", FOLDER / "style.css", HERE / "review.css"))
        get("/icon.svg", callback=lambda: self._file("image/svg+xml", HERE / "icon.svg"))
        get("/page.js", callback=lambda: self._file("text/javascript", HERE / "page.js"))
        post(f"/person/<key:{KEY}>/answer", callback=self._in_turn(self._answer))
        post(f"/person/<key:{KEY}>/again", callback=self._in_turn(self._again))
        post(f"/person/<key:{KEY}>/name", callback=self._in_turn(self._name))
        post(f"/person/<key:{KEY}>/merge", callback=self._in_turn(self._merge))
        post(f"/person/<key:{KEY}>/aside", callback=self._in_turn(self._aside))
        post(f"/person/<key:{KEY}>/move", callback=self._in_turn(self._move))
        post("/undo", callback=self._in_turn(self._undo))
        post("/alive", callback=self._alive)
        post("/done", callback=self._done)

    def _in_turn(self, route: Callable[..., str]) -> Callable[..., str]:
        @wraps(route)
        def answer(**values: str) -> str:
            with self._lock:
                self._sitting.sign_of_life()
                try:
                    return route(**values)
                except Refused as refused:
                    text = self._templates.globals["text"]
                    self._notice = text(f"review.refused.{refused.text}", name=refused.name)
                    return self._go_to(self._page_of(values["key"]))

        return answer

    def _render(self, template: str, **values: object) -> str:
        notice, self._notice = self._notice, ""
        common = {"notice": notice, "last": self._session.last(), "path": bottle.request.path}
        return str(self._templates.get_template(template).render(**common, **values))

    def _page_of(self, key: str) -> str:
        """The address of a person's page; of the first page when they are gone."""
        return f"/person/{key}" if self._session.person(key) else "/"

    def _somebody(self, key: str) -> Somebody:
        person = self._session.person(key)
        if person is None:
            raise bottle.HTTPError(404)
        return person

    def _home(self) -> str:
        people = self._session.everybody()
        return self._render(
            "home.html",
            named=[person for person in people if person.name],
            unnamed=[person for person in people if not person.name],
            questions={person.key: len(self._session.questions(person)) for person in people},
            read=self._session.reading,
            problem=self._session.problem,
        )

    def _person(self, key: str) -> str:
        person = self._somebody(key)
        start = (
            int(bottle.request.query.get("from", "0")[:9]) if bottle.request.query.get("from", "").isdecimal() else 0
        )
        # A wrong one is found fastest among those that are least sure.
        faces = person.sure[::-1]
        return self._render(
            "person.html",
            person=person,
            faces=faces[start : start + ON_ONE_PAGE],
            more=start + ON_ONE_PAGE if start + ON_ONE_PAGE < len(faces) else None,
            others=[other for other in self._session.everybody() if other.key != person.key],
            questions=len(self._session.questions(person)),
        )

    def _question(self, key: str) -> str:
        person = self._somebody(key)
        questions = self._session.questions(person)
        if not questions:
            others = [other for other in self._session.everybody() if other.name and self._session.questions(other)]
            passed = len(person.maybe)
            return self._render("answered.html", person=person, passed=passed, next=others[0] if others else None)
        face = questions[0]
        return self._render(
            "question.html",
            person=person,
            face=face,
            origin=origin(self._index, face.id),
            left=len(questions),
            next=questions[1] if len(questions) > 1 else None,
        )

    def _history(self) -> str:
        return self._render("history.html", steps=self._session.steps())

    def _picture(self, face: str, size: str) -> bytes:
        with self._lock:
            found = origin(self._index, int(face))
        picture = self._pictures.jpeg(found, size) if found else None
        if picture is None:
            raise bottle.HTTPError(404)
        bottle.response.content_type = "image/jpeg"
        return picture

    def _file(self, kind: str, *files: Path) -> bytes:
        bottle.response.content_type = f"{kind}; charset=utf-8"
        return b"\n".join(file.read_bytes() for file in files)

    def _answer(self, key: str) -> str:
        person, [face] = self._somebody(key), self._faces(at_most=1)
        match bottle.request.forms.get("answer"):
            case "yes":
                self._session.answer(person, face, Verdict.IS)
            case "no":
                self._session.answer(person, face, Verdict.NOT)
            case "skip":
                self._session.pass_over(person, face)
            case _:
                raise bottle.HTTPError(400)
        return self._go_to(f"/person/{person.key}/maybe")

    def _again(self, key: str) -> str:
        person = self._somebody(key)
        self._session.ask_again(person)
        return self._go_to(f"/person/{person.key}/maybe")

    def _name(self, key: str) -> str:
        person = self._somebody(key)
        self._session.name(person, bottle.request.forms.getunicode("name") or "")
        return self._go_to(self._page_of(key))

    def _merge(self, key: str) -> str:
        person, other = self._somebody(key), self._other()
        if other.key == person.key:
            return self._go_to(f"/person/{person.key}")
        return self._go_to(f"/person/{self._session.merge(person, other).key}")

    def _aside(self, key: str) -> str:
        self._session.put_aside(self._somebody(key))
        return self._go_to("/")

    def _move(self, key: str) -> str:
        person = self._somebody(key)
        faces = self._faces(at_most=MOST_AT_ONCE)
        match bottle.request.forms.get("to"):
            case "nobody":
                self._session.reject(person, faces)
            case "new":
                made = self._session.split(person, faces, bottle.request.forms.getunicode("name") or "")
                return self._go_to(f"/person/{made}")
            case _:
                self._session.move(person, faces, self._other())
        return self._go_to(self._page_of(key))

    def _undo(self) -> str:
        self._session.take_back()
        page = PAGE.fullmatch(bottle.request.forms.get("back", ""))
        gone = page and page["key"] and not self._session.person(page["key"])
        return self._go_to(page[0] if page and not gone else "/")

    def _alive(self) -> None:
        self._sitting.sign_of_life()
        bottle.response.status = 204

    def _done(self) -> str:
        self._sitting.finish()
        return self._message("finished")

    def _faces(self, at_most: int) -> list[int]:
        """The faces that a form names."""
        given = bottle.request.forms.getall("face")
        if not 1 <= len(given) <= at_most or not all(face.isdecimal() and len(face) <= 15 for face in given):
            raise bottle.HTTPError(400)
        faces = [int(face) for face in dict.fromkeys(given)]
        if not all(self._session.knows(face) for face in faces):
            raise bottle.HTTPError(404)
        return faces

    def _other(self) -> Somebody:
        return self._somebody(bottle.request.forms.get("to", ""))

    def _go_to(self, path: str) -> str:
        bottle.response.status = 303
        bottle.response.set_header("Location", path)
        return ""

    def _failed(self, error: Any) -> str:
        """The page for whatever went wrong, from an address that there is not to an index that was pulled out."""
        cause = error.exception
        why = str(cause) if isinstance(cause, IndexFileError) else ""
        return self._message("broken" if error.status_code == 500 else "absent", why)

    def _message(self, which: str, why: str = "") -> str:
        return str(self._templates.get_template("message.html").render(which=which, why=why, notice="", last=None))
