"""While a run is at work the computer stays awake, and not a moment longer."""

import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("jeepney", reason="asks through D-Bus, which is Linux's")

from jeepney import HeaderFields, MessageType, message_bus, new_method_return
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

from facefinder.awake import kept_awake

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

    def leave(self) -> None:
        self.bus.kill()
        self.bus.wait()


@pytest.fixture
def desktop(monkeypatch) -> Iterator[Desktop]:
    if not shutil.which("dbus-daemon"):
        pytest.skip("needs dbus-daemon")
    desktop = Desktop()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", desktop.address)
    yield desktop
    desktop.leave()


def test_a_whole_run_keeps_the_computer_awake_until_its_end(desktop, face_finder_command, refs, tmp_path):
    (tmp_path / "photos").mkdir()
    run = face_finder_command("--refs", refs, "--jobs", 1, tmp_path / "photos")
    assert run.returncode == 0, run.stderr
    assert [what for what, _ in desktop.asked] == ["Inhibit", "UnInhibit"]
    assert desktop.asked[1] == ("UnInhibit", COOKIE)


def test_after_an_error_the_computer_may_sleep_again(desktop):
    with pytest.raises(ZeroDivisionError), kept_awake():
        assert [what for what, _ in desktop.asked] == ["Inhibit"]
        raise ZeroDivisionError
    assert desktop.asked[1:] == [("UnInhibit", COOKIE)]


def test_a_desktop_that_goes_or_was_never_there_fails_nothing(desktop, monkeypatch):
    with kept_awake():
        assert desktop.asked
        desktop.leave()
    with kept_awake():  # asks where nobody is any more
        pass
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with kept_awake():
        pass
