"""Who may ask: the browser that was sent here, from our own pages, and nobody else. Everybody else gets one refusal.

The address that is opened holds a token that works once; it is exchanged for a cookie that other sites cannot make the
browser send, and that scripts cannot read. What a site may try besides is refused by name: its own name for this
computer's address (DNS rebinding) by Host, forms and scripts of other pages by Origin and Sec-Fetch-Site.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

Environment = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environment, StartResponse], Iterable[bytes]]

HOST = "127.0.0.1"
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# On each answer. no-store: faces must not stay on the disk of somebody else's computer. With the policy no-referrer
# browsers send forms with the origin "null", which could not be told from a foreign one; same-origin tells others as
# little.
HEADERS = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
]


class Gate:
    """A WSGI application that lets through to another one what may pass."""

    def __init__(self, application: Application, refusal: bytes):
        """refusal: the page for those who may not."""
        self._application = application
        self._refusal = refusal
        self._token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._here = self._cookie = ""

    def opens_at(self, port: int) -> str:
        """The address to open, once. port: where the server listens."""
        self._here = f"{HOST}:{port}"
        self._cookie = f"face-finder-{port}"  # browsers keep the ports of one computer's cookies together
        return f"http://{HOST}:{port}/open?token={self._token}"

    def __call__(self, environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""

        def start(status: str, headers: list[tuple[str, str]], *details: Any) -> Any:
            return start_response(status, [*headers, *HEADERS], *details)

        method = environment["REQUEST_METHOD"]
        if method not in ("GET", "POST"):
            return self._refuse(start, "405 Method Not Allowed", ("Allow", "GET, POST"))
        if not self._is_from_here(environment, is_post=method == "POST"):
            return self._refuse(start, "403 Forbidden")
        if method == "GET" and environment["PATH_INFO"] == "/open" and self._exchange(environment):
            cookie = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
            start("303 See Other", [("Location", "/"), ("Set-Cookie", cookie), ("Content-Length", "0")])
            return [b""]
        if not secrets.compare_digest(_cookie(environment, self._cookie).encode(), self._session.encode()):
            return self._refuse(start, "403 Forbidden")
        return self._application(environment, start)

    def _is_from_here(self, environment: Environment, is_post: bool) -> bool:
        """Whether the request names this server as it is named, and no page but ours made the browser send it."""
        origin, site = environment.get("HTTP_ORIGIN"), environment.get("HTTP_SEC_FETCH_SITE")
        if environment.get("HTTP_HOST") != self._here or origin not in (None, f"http://{self._here}"):
            return False
        # A browser names the origin of each POST. "none": typed in, or opened by another program.
        return site in (None, "same-origin") and bool(origin) if is_post else site in (None, "same-origin", "none")

    def _exchange(self, environment: Environment) -> bool:
        """Use the token up, if this is it."""
        given = parse_qs(environment.get("QUERY_STRING", "")).get("token", [""])[0]
        if self._token is None or not secrets.compare_digest(given.encode(), self._token.encode()):
            return False
        self._token = None
        return True

    def _refuse(self, start: StartResponse, status: str, *headers: tuple[str, str]) -> Iterable[bytes]:
        size = ("Content-Length", str(len(self._refusal)))
        start(status, [("Content-Type", "text/html; charset=utf-8"), size, *headers])
        return [self._refusal]


def _cookie(environment: Environment, name: str) -> str:
    # Not SimpleCookie: one cookie that it cannot read, of another program on this computer, and it reads none.
    for cookie in environment.get("HTTP_COOKIE", "").split(";"):
        own, _, value = cookie.strip().partition("=")
        if own == name:
            return str(value)
    return ""
