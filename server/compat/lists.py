"""The map as a process serves it: answers by path, and lists also by request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from server.compat.pages import Change, Content, Contents, Page, apply_change
from server.device.answer import phone_host
from server.http.answers import Hit
from server.http.heads import LONGEST
from server.http.plane import Requests

_AGENT = b"User-Agent: "
_PRINTABLE = bytes(range(0x20, 0x7F))
_OK = HTTPStatus.OK.value
# The headers of each library, in its order, without the User-Agent, which may be at any position.
_TAIL = "Host: {host}\r\nConnection: Keep-Alive\r\nAccept-Encoding: gzip\r\n\r\n"
_FORMS = (
    _TAIL,  # Android's HttpURLConnection, okhttp
    f"Accept: application/json\r\nAccept-Charset: UTF-8\r\n{_TAIL}",  # ktor, of LineageOS 2
    "Accept-Encoding: identity\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n",  # Custota
)


@dataclass(slots=True)
class Lists:
    """The served map and its future changes, in order. Only the loop changes it.

    `lines` are the lists by request line. `exact` finds lists by whole requests; the plane sets it.
    """

    contents: dict[str, Content] = field(default_factory=dict)
    lines: dict[bytes, Page] = field(default_factory=dict)
    changes: list[tuple[int, Change]] = field(default_factory=list)
    exact: Requests = field(default_factory=dict[bytes, Hit], compare=False)

    def add(self, contents: Contents) -> None:
        """Add paths to the map."""
        self.contents.update(contents)
        for path, each in contents.items():
            if isinstance(each, Page):
                self.lines[_line(path)] = each

    def follow(self, now: float) -> None:
        """Apply the changes that are due at `now`."""
        while self.changes and self.changes[0][0] <= now:
            self.change(self.changes.pop(0)[1])

    def change(self, change: Change) -> None:
        """Apply a change of lists."""
        apply_change(self.contents, change)
        for path, page in change.items():
            if page is None:
                self.lines.pop(_line(path), None)
            else:
                self.lines[_line(path)] = page


def _line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1".encode()


def common_header_blocks(public_url: str) -> frozenset[bytes]:
    """Return the bytes after the request line, without the User-Agent, of each app's library."""
    host = phone_host(public_url).decode()
    return frozenset(form.format(host=host).encode() for form in _FORMS)


class AppRequests:
    """The lists by whole requests; `lines` are the lists by request line, and may change.

    An app's library sends its headers in a fixed order, so two look-ups are enough: of the request
    line, and of the other lines without the User-Agent. The User-Agent must be printable, and is
    not read otherwise.
    """

    def __init__(self, lines: Mapping[bytes, Page], common: frozenset[bytes]) -> None:
        self._lines = lines
        self._common = common

    def get(self, data: bytes, /) -> Hit | None:
        """Return the answer to one whole request in an app's form; None for any other request."""
        line, _, rest = data.partition(b"\r\n")
        page = self._lines.get(line)
        if page is None or len(data) > LONGEST:
            return None
        at = rest.find(_AGENT)
        if at >= 0:
            end = rest.find(b"\r\n", at)
            is_line = at == 0 or rest[at - 1] == 0x0A
            if not is_line or rest[at:end].translate(None, _PRINTABLE):
                return None
            rest = rest[:at] + rest[end + 2 :]
        return (_OK, page.data) if rest in self._common else None
