"""The console's two cookies: `session` of who is signed in, `door` of who is about to.

Both are random, for this host alone, unreadable for scripts, and not sent along by other sites'
forms. Over TLS the prefix `__Host-` keeps neighbours below the same domain from setting them.
"""

import re
from dataclasses import dataclass, field

from aiohttp import web

DOOR_SECONDS = 600  # how long a login at the provider may take
_DOOR = re.compile(r"([0-9a-f]{64})(?:\.(/.*))?")
_SESSION = re.compile(r"[0-9a-f]{64}")
_TARGET = re.compile(r"/console/[A-Za-z0-9/_.~-]{0,200}")


@dataclass(frozen=True, slots=True)
class Door:
    """What a browser carries while it signs in: a secret, and the page it wanted."""

    secret: str = field(repr=False)
    target: str = ""


class Cookies:
    """Reads and writes them. `is_secure`: browsers speak TLS."""

    def __init__(self, *, is_secure: bool) -> None:
        prefix = "__Host-" if is_secure else ""
        self._session, self._door = f"{prefix}hening-session", f"{prefix}hening-door"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if is_secure else "")

    def session(self, request: web.BaseRequest) -> str:
        """Return the secret of the session that a browser shows, empty for none."""
        found = _SESSION.fullmatch(request.cookies.get(self._session, ""))
        return "" if found is None else found[0]

    def door(self, request: web.BaseRequest) -> Door | None:
        """Return what a browser that signs in shows."""
        found = _DOOR.fullmatch(request.cookies.get(self._door, ""))
        return None if found is None else Door(found[1], check_target(found[2] or ""))

    def set_session(self, secret: str, seconds: int) -> str:
        """Return the header's value that begins a session."""
        return f"{self._session}={secret}{self._attributes}; Max-Age={seconds}"

    def set_door(self, door: Door) -> str:
        """Return the header's value that begins signing in."""
        target = f".{door.target}" if door.target else ""
        return f"{self._door}={door.secret}{target}{self._attributes}; Max-Age={DOOR_SECONDS}"

    def end_session(self) -> str:
        """Return the header's value by which the browser forgets its session."""
        return f"{self._session}={self._attributes}; Max-Age=0"

    def end_door(self) -> str:
        """Return the header's value by which the browser forgets that it was signing in."""
        return f"{self._door}={self._attributes}; Max-Age=0"


def check_target(text: str) -> str:
    """Return `text` if it is the path of a page of the console, else nothing: no other site's."""
    is_page = _TARGET.fullmatch(text) is not None and "//" not in text and "/." not in text
    return text if is_page else ""
