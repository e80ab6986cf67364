"""While a run is at work the computer stays awake, and not a moment longer."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("jeepney", reason="asks through D-Bus, which is Linux's")

from jeepney import HeaderFields, MessageType, message_bus, new_method_return
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

import face_finder
from facefinder import awake, cli
from facefinder.awake import kept_awake
from facefinder.progress import NoProgress

POWER = "org.freedesktop.PowerManagement"
COOKIE = 7


class Desktop:
    """A real message bus, and behind it the service of a desktop that can be asked to stay awake."""

    def __init__(self) -> None:
        self.bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
        )
        assert self.bus.stdout
        self.address = self.bus.stdout.readline().strip()
        self.asked: list[tuple[str, object]] = []
        self._service: DBusConnection = open_dbus_connection(self.address)
        unwrap_msg(self._service.send_and_get_reply(message_bus.RequestName(POWER)))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                call = self._service.receive()
            except OSError:  # the bus has gone
                return
            if call.header.message_type is MessageType.method_call:
                what = call.header.fields[HeaderFields.member]
                self.asked.append((what, call.body[0]))
                answer = ("u", (COOKIE,)) if what == "Inhibit" else (None, ())
                self._service.send(new_method_return(call, *answer))

    def wait_until_asked(self) -> None:
        deadline = time.monotonic() + 30
        while not self.asked:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def leave(self) -> None:
        self.bus.kill()
        self.bus.wait()


@pytest.fixture
def desktop(monkeypatch) -> Iterator[Desktop]:
    if not shutil.which("dbus-daemon"):
        pytest.skip("needs dbus-daemon")
    desktop = Desktop()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desktop.address)
    monkeypatch.setattr(awake, "SECONDS", 0.0)
    yield desktop
    desktop.leave()


def test_a_long_run_keeps_the_computer_awake_until_its_end(desktop, refs, tmp_path, monkeypatch, album):
    monkeypatch.setattr(cli, "choose_progress", lambda quiet: Slow(desktop))
    words = ["--refs", refs, "--jobs", 1, "--no-index", album / "Family" / "Christmas.jpg"]
    assert cli.main([str(word) for word in words], face_finder.HOME) == 0
    assert [what for what, _ in desktop.asked] == ["Inhibit", "UnInhibit"]
    assert desktop.asked[1] == ("UnInhibit", COOKIE)


class Slow(NoProgress):
    """After the first photo the run waits until the computer is kept awake."""

    def __init__(self, desktop: Desktop):
        self._desktop = desktop

    def advance(self, note: str = "") -> None:
        self._desktop.wait_until_asked()


def test_after_an_error_the_computer_may_sleep_again(desktop):
    with pytest.raises(ZeroDivisionError), kept_awake():
        desktop.wait_until_asked()
        raise ZeroDivisionError
    assert desktop.asked[1:] == [("UnInhibit", COOKIE)]


def test_a_desktop_that_goes_fails_nothing(desktop):
    with kept_awake():
        desktop.wait_until_asked()
        desktop.leave()


@pytest.mark.parametrize("address", ["unix:path=/nowhere", None])
def test_where_nobody_can_be_asked_nothing_fails(monkeypatch, address):
    monkeypatch.setattr(awake, "SECONDS", 0.0)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    with kept_awake():
        time.sleep(0.5)


def test_a_short_run_asks_nobody(desktop, monkeypatch):
    monkeypatch.setattr(awake, "SECONDS", 60.0)
    started = time.monotonic()
    with kept_awake():
        pass
    assert desktop.asked == []
    assert time.monotonic() - started < 30
