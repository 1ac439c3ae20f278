"""HAR 1.2, the export format of browsers and intercepting proxies.

Another program parsed the requests; their bytes are reconstructed. Facts that the exporter does not
record, such as the connection of a request, cannot be judged, and notes of the capture say so.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from client_sim.lab.captures.capture import Capture, Conversation, OtherTraffic, State
from client_sim.lab.errors import CaptureError

HAR_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of the file, including answers, which are ignored."""

_ENTRIES_LIMIT: Final = 50_000
_OBJECTS_LIMIT: Final = 4_000_000  # braces; decoded objects take many times their bytes
_URL_LIMIT: Final = 65_536
_TIME_LIMIT: Final = 64
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NEXT_ROOT: Final = re.compile(rb"/metadata/([1-9][0-9]{0,15})\.root\.json")
_NOTES: Final = (
    (
        "a HAR contains only requests, as its exporter parsed them: no DNS names, no TLS, no"
        " segments, no ends of connections, no other traffic, and no bytes between the parts of a"
        " request"
    ),
    "browsers omit cookies and credentials from a HAR unless told to include them",
)
_CONNECTIONS_NOTE: Final = (
    "the HAR does not say which requests shared a connection: they are grouped by poll"
)


class _Pair(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Field(_Pair):
    fileName: str = ""  # noqa: N815 -- as the format spells it

    @property
    def pair(self) -> tuple[str, str]:
        """Return the name, and the file name and value as one text."""
        return self.name, " ".join(filter(None, (self.fileName, self.value)))


class _Body(msgspec.Struct):
    text: str | None = None
    encoding: str | None = None
    params: list[_Field] = []


class _Request(msgspec.Struct):
    method: str
    url: str
    httpVersion: str = "HTTP/1.1"  # noqa: N815 -- as the format spells it
    headers: list[_Pair] = []
    cookies: list[_Pair] = []
    postData: _Body | None = None  # noqa: N815 -- as above


class _Message(msgspec.Struct):
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b'""')


class _Entry(msgspec.Struct):
    request: _Request
    startedDateTime: str = ""  # noqa: N815 -- as above
    connection: str | int | None = None
    serverIPAddress: str = ""  # noqa: N815 -- as above
    messages: list[_Message] = msgspec.field(name="_webSocketMessages", default_factory=list)


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


def is_har(data: bytes) -> bool:
    """Return whether a file begins like a JSON object."""
    return data.removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"{")


def read_har(data: bytes, bytes_limit: int) -> Capture:
    """Read a HAR; raise CaptureError for other files, or if more than `bytes_limit` bytes left."""
    if data.count(b"{") > _OBJECTS_LIMIT:
        raise CaptureError(f"the HAR has more than {_OBJECTS_LIMIT} objects: export fewer requests")
    try:
        har = msgspec.json.decode(data.removeprefix(_BYTE_ORDER_MARK), type=_Har)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise CaptureError(f"the HAR cannot be read ({error}): export it again") from error
    entries = har.log.entries
    if len(entries) > _ENTRIES_LIMIT:
        raise CaptureError(f"the HAR has more than {_ENTRIES_LIMIT} requests: export fewer")
    if any(len(entry.request.url) > _URL_LIMIT for entry in entries):
        raise CaptureError(f"the HAR has a URL of more than {_URL_LIMIT} characters: leave it out")
    has_connections = all(entry.connection for entry in entries)
    conversations = tuple(
        _make_conversation(number, group, bytes_limit)
        for number, group in enumerate(_group(entries, has_connections), 1)
    )
    if sum(len(conversation.data) for conversation in conversations) > bytes_limit:
        raise CaptureError(f"more than {bytes_limit} bytes left the phone: export fewer requests")
    return Capture(
        "HAR",
        conversations,
        other_traffic=tuple(_messages(entries)),
        notes=_NOTES if has_connections else (*_NOTES, _CONNECTIONS_NOTE),
    )


def _group(entries: list[_Entry], has_connections: bool) -> Iterator[list[_Entry]]:
    """Yield the requests of each connection, or else the requests that look like one poll."""
    if has_connections:
        groups: dict[tuple[str, str], list[_Entry]] = {}
        for entry in entries:
            key = (str(entry.connection), _authority(entry.request.url)[1])
            groups.setdefault(key, []).append(entry)
        yield from groups.values()
        return
    group: list[_Entry] = entries[:1]
    for before, entry in pairwise(entries):
        hosts = {_authority(each.request.url)[1] for each in (before, entry)}
        if len(hosts) > 1 or _begins_poll(before, entry):
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _begins_poll(before: _Entry, entry: _Entry) -> bool:
    """Return whether a request that follows `before` is the first of a poll."""
    current = _NEXT_ROOT.fullmatch(_target(entry.request.url).encode("utf-8", "surrogatepass"))
    last = _NEXT_ROOT.fullmatch(_target(before.request.url).encode("utf-8", "surrogatepass"))
    return current is not None and (last is None or int(current[1]) != int(last[1]) + 1)


def _make_conversation(number: int, group: list[_Entry], limit: int) -> Conversation:
    first = group[0]
    _, authority = _authority(first.request.url)
    data = bytearray()
    pieces: list[tuple[float, int]] = []
    for entry in group:
        request = _encode(entry.request)
        data += request
        pieces.append((_read_time(entry.startedDateTime), len(request)))
        if len(data) > limit:
            break
    return Conversation(
        where=f"connection {number}, to {authority}, {first.startedDateTime[:_TIME_LIMIT]}",
        target=_name_target(first),
        frame=0,
        at=pieces[0][0],
        data=bytes(data),
        state=State.PLAIN,
        pieces=tuple(pieces),
        name=authority.encode("utf-8", "surrogatepass"),
    )


def _read_time(text: str) -> float:
    """Return epoch seconds, or 0 if the text is not a time."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _name_target(entry: _Entry) -> bytes:
    """Return the target of a request in the format of `RecordingWorld`."""
    _, authority = _authority(entry.request.url)
    host, mark, port = authority.rpartition(":")
    if not (mark and port.isdigit()):
        host, port = authority, ""
    secure = entry.request.url.startswith(("https:", "wss:"))
    parts = (
        entry.serverIPAddress[:_TIME_LIMIT] or host,
        port or ("443" if secure else "80"),
        host if secure else "plain",
    )
    return " ".join(parts).encode("utf-8", "surrogatepass")


def _encode(request: _Request) -> bytes:
    """Return the bytes of a request, with its parts in the order of the HAR."""
    version = request.httpVersion.upper() or "HTTP/1.1"
    lines = [f"{request.method} {_target(request.url)} {version}"]
    lines += [f"{header.name}: {header.value}" for header in request.headers]
    names = {header.name.lower() for header in request.headers}
    if request.cookies and "cookie" not in names:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in request.cookies)
        lines.append(f"Cookie: {cookies}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + _encode_body(request.postData)


def _encode_body(body: _Body | None) -> bytes:
    if body is None:
        return b""
    if not body.text:
        # Exporters write a form as `text` or as `params`, and may leave the other one empty.
        return urlencode([field.pair for field in body.params], errors="surrogatepass").encode()
    if body.encoding == "base64":
        try:
            return base64.b64decode(body.text)
        except (binascii.Error, ValueError):
            pass
    return body.text.encode("utf-8", "surrogatepass")


def _authority(url: str) -> tuple[str, str]:
    """Return the user part of a URL, and the host with its port."""
    try:
        user, _, host = urlsplit(url).netloc.rpartition("@")
    except ValueError:
        return "", url
    return user, host


def _target(url: str) -> str:
    """Return the part of a URL from its path on, unchanged."""
    _, mark, rest = url.partition("://")
    place = min((rest.find(sign) for sign in "/?#" if sign in rest), default=len(rest))
    target = rest[place:] if mark else url
    return target if target.startswith("/") else f"/{target}"


def _messages(entries: list[_Entry]) -> Iterator[OtherTraffic]:
    """Yield data sent outside requests: WebSocket messages, and the user part of URLs."""
    for entry in entries:
        user, host = _authority(entry.request.url)
        if user:
            yield OtherTraffic("user in a URL", host, 1, user.encode("utf-8", "surrogatepass"))
        sent = [_read_data(each.data) for each in entry.messages if each.type == "send"]
        if sent:
            yield OtherTraffic("WebSocket messages", host, len(sent), b"\n".join(sent))


def _read_data(data: msgspec.Raw) -> bytes:
    """Return a string as it was sent, and any other JSON value as it is written."""
    try:
        return msgspec.json.decode(data, type=str).encode("utf-8", "surrogatepass")
    except msgspec.MsgspecError:
        return bytes(data)
