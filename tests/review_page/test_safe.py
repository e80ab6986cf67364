"""The page answers the browser that was sent to it, and nobody else; and it shows nothing but pictures of the index."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import face_finder
from facefinder.review_page.server import LARGEST_FORM, Sitting
from tests.test_read_only import CALL, CHANGING, DAY, NETWORK, OPENING, WRITING_FLAGS, paths, state

HOSTILE = "<script>document.title='hacked'</script><img src=x onerror=alert(1)>"


class Visitor:
    """Somebody who sends requests as they like. cookie: the one that the server gave."""

    def __init__(self, served):
        self.served = served
        self.host = served.base.removeprefix("http://")
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", body: str | bytes | None = None, **headers: str | None):
        """The response, read. A header given as None is left out."""
        usual = {"Host": self.host, "Cookie": self.cookie or None}
        if method == "POST":
            usual |= {"Origin": f"http://{self.host}", "Content-Type": "application/x-www-form-urlencoded"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.partition(":")[2]), timeout=10)
        connection.putrequest(method, path, skip_host=True)
        for name, value in (usual | given).items():
            if value is not None:
                connection.putheader(name, value)
        data = body.encode() if isinstance(body, str) else body
        if data is not None and "Content-Length" not in given:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        response.text = response.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
        connection.close()
        return response

    def enter(self) -> None:
        given = self.ask(f"/open?token={self.served.token}").getheader("Set-Cookie")
        assert given
        self.cookie = given.partition(";")[0]


def test_cookies_of_other_programs_on_this_computer_keep_nobody_out(guest):
    for other in ('prefs={"a": 1}', "a=hello world", "a[0]=1", "novalue", "=", ";;"):
        assert guest.ask("/", Cookie=f"{other}; {guest.cookie}").status == 200, other
        assert guest.ask("/", Cookie=f"{guest.cookie}; {other}").status == 200, other
        assert guest.ask("/", Cookie=other).status == 403, other


@pytest.fixture
def served(open_page):
    return open_page()


@pytest.fixture
def visitor(served) -> Visitor:
    """The browser that was sent here."""
    visitor = Visitor(served)
    visitor.enter()
    return visitor


@pytest.fixture(scope="module")
def guest(looked_at) -> Visitor:
    """The same, for tests that change nothing."""
    guest = Visitor(looked_at)
    guest.enter()
    return guest


def person_of(served, name: str):
    return next(person for person in served.session.everybody() if person.called == name)


def test_the_address_works_once_and_its_cookie_is_for_this_site_alone(served):
    visitor = Visitor(served)
    assert visitor.ask("/").status == 403
    assert visitor.ask("/open").status == 403
    assert visitor.ask("/open?token=").status == 403
    assert visitor.ask(f"/open?token={'x' * len(served.token)}").status == 403
    first = visitor.ask(f"/open?token={served.token}")
    assert (first.status, first.getheader("Location")) == (303, "/")
    cookie = first.getheader("Set-Cookie") or ""
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert served.token not in cookie
    second = visitor.ask(f"/open?token={served.token}")
    assert (second.status, second.getheader("Set-Cookie")) == (403, None)
    visitor.cookie = cookie.partition(";")[0]
    assert visitor.ask("/").status == 200
    visitor.cookie = visitor.cookie[:-1]
    assert visitor.ask("/").status == 403
    assert "Not allowed" in visitor.ask("/").text


def test_it_listens_on_this_computer_only_at_a_port_that_is_new_each_time(looked_at, open_page):
    port = int(looked_at.base.rpartition(":")[2])
    with socket.socket() as other:
        other.settimeout(2)
        own = socket.gethostbyname(socket.gethostname())
        if not own.startswith("127."):
            assert other.connect_ex((own, port)) != 0
    assert open_page().base != looked_at.base


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "localhost:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_name_or_page_is_refused_even_with_the_cookie(guest, headers, method):
    port = guest.host.partition(":")[2]
    filled = {name: value and value.format(port=port) for name, value in headers.items()}
    answer = guest.ask("/" if method == "GET" else "/undo", method, "" if method == "POST" else None, **filled)
    assert answer.status in (400, 403)
    assert "Who is who" not in answer.text


def test_what_changes_something_must_be_posted_from_our_own_page(visitor, served):
    key = person_of(served, "Jerry Seinfeld").key
    face = served.session.questions(person_of(served, "Jerry Seinfeld"))[0].id
    form = f"face={face}&answer=yes"
    assert visitor.ask(f"/person/{key}/answer?{form}").status in (404, 405)
    assert visitor.ask(f"/person/{key}/answer", "POST", form, Origin=None).status == 403
    assert visitor.ask(f"/person/{key}/answer", "POST", form, Sec_Fetch_Site="none").status == 403
    assert visitor.ask("/undo").status in (404, 405)
    assert visitor.ask("/done").status in (404, 405)
    assert served.session.steps() == []
    assert visitor.ask(f"/person/{key}/answer", "POST", form, Sec_Fetch_Site="same-origin").status == 303
    assert [step.what for step in served.session.steps()] == ["You said of 1 face: Jerry Seinfeld."]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused(guest, method):
    assert guest.ask("/", method).status in (400, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/face/../../../etc/passwd",
        "/face/1/..%2f..%2fetc%2fpasswd.jpg",
        "/face/%2fetc%2fpasswd/face.jpg",
        "/face/-1/face.jpg",
        "/face/999999999999/face.jpg",
        "/face/99999999999999999999999999/face.jpg",
        "/face/1%00/face.jpg",
        "/face/1/huge.jpg",
        "/style.css/../server.py",
        "/server.py",
        "/templates/home.html",
        "/person/..%2f..",
        "/person/%C2%B2",
        "/person/1'%20OR%201=1",
        "//etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_disk(guest, path):
    answer = guest.ask(path)
    assert answer.status in (400, 403, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_only_faces_of_the_index_are_shown_and_only_of_photos_that_are_what_they_were(
    stick, tmp_path, album, open_page
):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "other.jpg").write_bytes((album / "Stage & screen" / "piano.jpg").read_bytes())
    stick.place = pictures
    stick.groups(pictures)
    served = open_page()
    visitor = Visitor(served)
    visitor.enter()
    index = served.session._index
    [(face,)] = index.rows(
        "SELECT face.id FROM face JOIN place USING (content) WHERE path = ?", (bytes(pictures / "other.jpg"),)
    )[:1]
    answer = visitor.ask(f"/face/{face}/face.jpg")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "image/jpeg")
    for place in album.rglob("piano.jpg"):
        index.rows("DELETE FROM place WHERE path = ?", (bytes(place),))
    (pictures / "other.jpg").write_bytes((album / "Stage & screen" / "premiere.jpg").read_bytes())
    assert visitor.ask(f"/face/{face}/large.jpg").status == 404


def test_each_answer_forbids_what_is_not_needed(guest):
    for path in ("/", "/history", "/style.css", "/nothing", "/page.js"):
        answer = guest.ask(path)
        policy = answer.getheader("Content-Security-Policy") or ""
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Referrer-Policy") == "same-origin"
        assert answer.getheader("Cache-Control") == "no-store", "faces must not stay on this computer's disk"
        assert answer.getheader("Server") is None
        assert not re.search(r"<script(?! src=\"/page\.js\")|\son\w+=|\sstyle=|https?://", answer.text.split("*/")[-1])


def test_huge_bodies_and_heads_are_refused(guest, looked_at):
    assert guest.ask("/undo", "POST", "back=/", Content_Length=str(10**12)).status == 413
    assert guest.ask("/undo", "POST", b"x" * (LARGEST_FORM + 1)).status == 413
    assert guest.ask("/", Cookie="x" * 100_000).status == 431
    assert guest.ask("/", Cookie=guest.cookie).status == 200
    assert looked_at.session.steps() == []


@pytest.mark.parametrize(
    "form",
    ["", "face=1", "answer=yes", "face=x&answer=yes", "face=1&face=2&answer=yes", "face=999999999&answer=yes",
     "face=1&answer=maybe", "face=-1&answer=no", "face=%00&answer=no"],
)  # fmt: skip
def test_nonsense_in_a_form_changes_nothing(guest, looked_at, form):
    key = person_of(looked_at, "Jerry Seinfeld").key
    assert guest.ask(f"/person/{key}/answer", "POST", form).status in (400, 404)
    for path, other in (("move", "to=nobody"), ("merge", "to=/etc"), ("merge", "to=999"), ("move", "face=1&to=77")):
        assert guest.ask(f"/person/{key}/{path}", "POST", other).status in (400, 404)
    assert looked_at.session.steps() == []


def test_undo_leads_nowhere_else(guest):
    for back in ("http://evil.example/", "//evil.example", "/\\evil.example", "/person/1\r\nSet-Cookie: x=y", "/x"):
        answer = guest.ask("/undo", "POST", f"back={back}")
        assert (answer.status, answer.getheader("Location")) == (303, "/")
    assert guest.ask("/undo", "POST", "back=/history").getheader("Location") == "/history"


def test_scripts_in_the_names_of_people_and_files_are_text(visitor, served):
    group = next(person for person in served.session.everybody() if not person.name)
    served.session.name(group, HOSTILE[:60])
    for path in ("/", f"/person/{group.key}", "/history"):
        text = visitor.ask(path).text
        assert "&lt;script&gt;" in text
        assert "<script>document" not in text
    served.session._index.rows("UPDATE place SET path = CAST(path || ? AS BLOB)", (HOSTILE,))
    text = visitor.ask(f"/person/{person_of(served, 'Jerry Seinfeld').key}/maybe").text
    assert "&lt;img src=x" in text
    assert "<img src=x" not in text


def test_the_server_ends_when_the_page_is_closed_for_long_but_not_while_it_lives(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("facefinder.review_page.server.time.monotonic", lambda: clock[0])
    sitting = Sitting(60)

    def over_after(seconds: float) -> bool:
        clock[0] += seconds
        return sitting.is_over()

    for second in range(200):
        assert not over_after(1)
        if second % 20 == 0:
            sitting.sign_of_life()
    sitting.sign_of_life()
    assert not over_after(10_000), "the computer slept, and the page goes on when it wakes"
    assert [over_after(1) for _ in range(60)][-1]


def test_done_ends_the_server_at_once(visitor, served):
    assert "Thank you" in visitor.ask("/done", "POST", "").text
    assert served.wait(5)
    with pytest.raises(OSError):
        visitor.ask("/")


def start_review(stick, *before: object, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """The real command as from a terminal without a screen, and the address that it names."""
    words = ["review", "--refs", stick.refs, "--index", stick.folder / "index.sqlite", "--groups", stick.tree]
    process = subprocess.Popen(
        [*map(str, before), sys.executable, "-s", "-P", "-B", face_finder.HOME / "face_finder.py", *map(str, words)],
        env={"PATH": os.environ["PATH"], "HOME": str(stick.folder)} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    lines = []
    while line := process.stdout.readline():
        lines.append(line)
        if address := re.search(r"http://127\.0\.0\.1:\d+/open\?token=\S+", line):
            return process, address[0]
    raise AssertionError("".join(lines))


def test_the_command_shows_its_address_and_ctrl_c_ends_it_well(stick):
    process, _ = start_review(stick)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "You changed nothing." in rest
    assert "Traceback" not in rest


def test_a_review_writes_to_the_stick_alone_and_speaks_to_this_computer_alone(stick, tmp_path, album):
    """A whole sitting under strace, on photos that were last read long ago."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    stick.place = tmp_path / "Pictures"
    shutil.copytree(album, stick.place)
    for path in stick.place.rglob("*"):
        os.utime(path, ns=(path.stat().st_mtime_ns - 2 * DAY, path.stat().st_mtime_ns - DAY))
    stick.groups(stick.place)
    stick.find()
    before = state(stick.place)
    trace = tmp_path / "trace"
    names = ",".join(f"?{name}" for name in sorted(CHANGING | OPENING | NETWORK))
    process, address = start_review(stick, "strace", "-f", "--seccomp-bpf", "-y", "-o", trace, "-e", f"trace={names}")
    base, _, token = address.partition("/open?token=")
    visitor = Visitor(SimpleNamespace(base=base, token=token))
    visitor.enter()
    faces = {int(face) for face in re.findall(r"/face/(\d+)/", visitor.ask("/").text)}
    assert all(visitor.ask(f"/face/{face}/{size}.jpg").status == 200 for face in faces for size in ("face", "photo"))
    questions = "/person/r1"
    face = re.findall(r"/face/(\d+)/large", visitor.ask(f"{questions}/maybe").text)[0]
    assert visitor.ask(f"{questions}/answer", "POST", f"face={face}&answer=yes").status == 303
    assert "Thank you" in visitor.ask("/done", "POST", "").text
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0, rest
    assert "The groups folder shows it as well." in rest
    calls = [(match[1], match[2]) for line in trace.read_text().splitlines() if (match := CALL.match(line))]
    allowed = (stick.folder, Path("/dev/null"), Path("/dev/tty"), Path("/dev/shm"))
    assert [
        (name, arguments)
        for name, arguments in calls
        if name in CHANGING or (name in OPENING and WRITING_FLAGS.search(arguments))
        if not all(any(path.is_relative_to(folder) for folder in allowed) for path in paths(arguments))
    ] == []
    network = [arguments for name, arguments in calls if name in NETWORK and "AF_INET" in arguments]
    assert network
    assert all('inet_addr("127.0.0.1")' in arguments for arguments in network)
    assert state(stick.place) == before, "not even a time of last access has changed"


@pytest.mark.parametrize("wanted", ["n", "y"])
def test_a_search_by_hand_asks_at_its_end_whether_to_look_through_the_maybes(stick, wanted):
    """In a terminal. Without one, and at a double-click, nothing is asked: the other tests of find would hang."""
    pty = pytest.importorskip("pty", reason="needs a system with terminals of this kind")
    words = ["--refs", stick.refs, "--index", stick.folder / "index.sqlite", "--groups", stick.tree, stick.place]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-B", face_finder.HOME / "face_finder.py", *map(str, words)],
        env={"PATH": os.environ["PATH"], "HOME": str(stick.folder), "TERM": "dumb"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = ""

    def read_until(text: str) -> None:
        nonlocal said
        while text not in said:
            try:
                said += os.read(ours, 4096).decode("utf-8", "replace")
            except OSError:  # the program has ended
                break
        assert text in said, said

    read_until("in the browser? [y/N]")
    assert "Look through the 4 photos that may show them" in said
    os.write(ours, f"{wanted}\n".encode())
    if wanted == "y":
        read_until("/open?token=")
        process.send_signal(signal.SIGINT)
        read_until("You changed nothing.")
    assert process.wait(60) == 0, said
    assert ("/open?token=" in said) == (wanted == "y")
    os.close(ours)
