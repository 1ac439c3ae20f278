"""Whole requests of the apps for lists, found without a parser: all but the User-Agent is known.

An app's library sends its headers in one order, so a request line, and the other lines without the
User-Agent, are two look-ups. What the User-Agent says is not read; it must be printable. Pure.
"""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from server.compat.pages import Page
from server.http.answers import Hit
from server.http.heads import LONGEST

_AGENT = b"User-Agent: "
_PRINTABLE = bytes(range(0x20, 0x7F))
_OK = HTTPStatus.OK.value
# The headers of each library, in its order, and without the User-Agent, which may stand anywhere.
_TAIL = "Host: {host}\r\nConnection: Keep-Alive\r\nAccept-Encoding: gzip\r\n\r\n"
_FORMS = (
    _TAIL,  # Android's HttpURLConnection, okhttp
    f"Accept: application/json\r\nAccept-Charset: UTF-8\r\n{_TAIL}",  # ktor, of LineageOS 2
    "Accept-Encoding: identity\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n",  # Custota
)


def usual_rests(public_url: str) -> frozenset[bytes]:
    """Return what follows the request line, without the User-Agent, at a server's address."""
    parts = urlsplit(public_url)
    host = parts.netloc.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    return frozenset(form.format(host=host).encode() for form in _FORMS)


class AppRequests:
    """The lists by whole requests; `lines` are the lists by request line, and may change."""

    def __init__(self, lines: Mapping[bytes, Page], usual: frozenset[bytes]) -> None:
        self._lines = lines
        self._usual = usual

    def get(self, data: bytes, /) -> Hit | None:
        """Return the answer to one whole request in an app's form; None for everything else."""
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
        return (_OK, page.data) if rest in self._usual else None
