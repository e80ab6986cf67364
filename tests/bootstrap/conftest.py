"""A small web server whose misbehaviour a test decides on, and packages made on the spot."""

from __future__ import annotations

import http.server
import io
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from layout import ROOT


@pytest.fixture(scope="session", autouse=True)
def published_and_rewritten_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Put the models as published (pack `deepface`) and as rewritten into one folder, for test_rewrite.py."""
    models = ROOT / "models"
    folder = tmp_path_factory.mktemp("models")
    for path in [*models.glob("*.onnx"), *models.glob("deepface/.deepface/weights/*.onnx")]:
        shutil.copyfile(path, folder / path.name)
    if (folder / "face_recognition_sface_2021dec.onnx").exists():
        os.environ.setdefault("FACE_FINDER_TEST_MODELS", str(folder))


@dataclass
class Site:
    """What the server serves: `files` by path; `cut` makes the first answer break off after so many bytes."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on this machine that knows Range and writes down each request: (path, its Range header)."""
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path.lstrip("/"), self.headers.get("Range")
            site.requests.append((path, wanted))
            if path not in site.files:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            body = site.files[path][start:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: site.cut.pop(path, len(body))])

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(site.files[self.path.lstrip("/")])))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@dataclass
class Index:
    """A folder of packages that pip is told to use instead of any index."""

    folder: Path

    def wheel(self, name: str, version: str, files: dict[str, bytes]) -> Path:
        """Write a wheel and return its path."""
        info = f"{name}-{version}.dist-info"
        files = files | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in (files | {f"{info}/RECORD": record.encode()}).items():
                archive.writestr(member, data)
        return path

    def sdist(self, name: str, version: str, files: dict[str, bytes]) -> Path:
        """Write an sdist and return its path."""
        path = self.folder / f"{name}-{version}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for member, data in files.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{member}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An empty folder of packages; pip sees nothing else."""
    folder = tmp_path / "packages of the test"
    folder.mkdir()
    # pip splits this variable at blanks; an address has none.
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return Index(folder)
