"""The requests of existing Updater apps, by the second table of docs/PRIVACY.md.

The server's grammar is another copy; a test compares both with the page. Everything in a request
that its row does not allow is found. A User-Agent that names the model, which no request for a list
needs, is reported as well.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.lab.captures.capture import Capture
from client_sim.lab.captures.requests import HttpRequest, iterate_requests

_DEVICE: Final = rb"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,63}"
_JOINED: Final = rb"[A-Za-z0-9](?:[A-Za-z0-9_:+-]|\.(?!\.)){0,255}"
_HASHED: Final = rb"[0-9a-f]{64}\.[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,90}\.zip"
_INCREMENTAL: Final = rb"[A-Za-z0-9._:+-]{0,64}"
_UPDATE: Final = rb"-ota_update-" + _JOINED + rb"\.zip"
_STEP: Final = rb"-incremental-" + _JOINED + rb"\.zip"
_LISTED: Final = rb"(?!" + _JOINED + rb"(?:\.zip|\.html))" + _JOINED

HEADERS: Final = frozenset(
    {b"host", b"connection", b"user-agent", b"accept", b"accept-charset", b"accept-encoding"}
    | {b"range"}
)
_RANGE: Final = re.compile(rb"bytes=[0-9]{1,16}-[0-9]{0,16}")
_MODEL: Final = re.compile(rb"Build/|Android [0-9]")
DIALECTS: Final = (
    *("lineage1", "lineage2", "graphene", "calyx", "custota", "crdroid", "pixelexperience"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Requests of a dialect: the pattern of their path, and what they reveal.

    The dialect `lineage` stands for both of its versions.
    """

    dialect: str
    path: re.Pattern[bytes]
    reveals: str


_FETCHED: Final = "device, the build that is fetched, how much of it is there"
_STEPPED: Final = "device, the running build, the build that is fetched"
_LOOKED_AT: Final = "the package that is looked at; of an incremental the running build"

ROWS: Final[Mapping[str, Row]] = {
    name: Row(dialect, re.compile(path), reveals)
    for name, dialect, path, reveals in (
        (
            "lineage1-list",
            "lineage1",
            rb"/lineage/v1/" + _DEVICE + rb"/" + _DEVICE + rb"(?:/" + _INCREMENTAL + rb")?",
            "device, build type, the running build where the template has it",
        ),
        ("lineage2-list", "lineage2", rb"/lineage/v2/devices/" + _DEVICE + rb"/builds", "device"),
        ("lineage-file", "lineage", rb"/lineage/files/" + _DEVICE + rb"/" + _HASHED, _FETCHED),
        ("graphene-step", "graphene", rb"/graphene/" + _DEVICE + _STEP, _STEPPED),
        ("graphene-file", "graphene", rb"/graphene/" + _DEVICE + _UPDATE, _FETCHED),
        ("graphene-line", "graphene", rb"/graphene/" + _LISTED, "device, channel"),
        ("calyx-step", "calyx", rb"/calyx/" + _DEVICE + _STEP, _STEPPED),
        ("calyx-file", "calyx", rb"/calyx/" + _DEVICE + _UPDATE, _FETCHED),
        (
            "calyx-changelog",
            "calyx",
            rb"/calyx/" + _JOINED + rb"-changelog\.html",
            "device, channel, that an update is looked at",
        ),
        ("calyx-line", "calyx", rb"/calyx/" + _LISTED, "device, channel"),
        ("custota-info", "custota", rb"/custota/" + _DEVICE + rb"\.json", "device"),
        ("custota-file", "custota", rb"/custota/" + _HASHED, _LOOKED_AT),
        ("custota-csig", "custota", rb"/custota/" + _HASHED + rb"\.csig", _LOOKED_AT),
        ("crdroid-list", "crdroid", rb"/crdroid/" + _DEVICE + rb"\.json", "device"),
        ("crdroid-file", "crdroid", rb"/crdroid/files/" + _DEVICE + rb"/" + _HASHED, _FETCHED),
        (
            "pe-list",
            "pixelexperience",
            rb"/pe/(?!files/)" + _DEVICE + rb"/" + _DEVICE,
            "device, version",
        ),
        ("pe-file", "pixelexperience", rb"/pe/files/" + _DEVICE + rb"/" + _HASHED, _FETCHED),
    )
}


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What requests of one row reveal, in the words of docs/PRIVACY.md, and their number."""

    row: str
    count: int
    reveals: str


def find_row(path: bytes, dialects: Sequence[str]) -> str | None:
    """Return the row of a path in one of the dialects, or None."""
    for name, row in ROWS.items():
        is_selected = any(each.startswith(row.dialect) for each in dialects)
        if is_selected and row.path.fullmatch(path) is not None:
            return name
    return None


def list_disclosures(capture: Capture, dialects: Sequence[str]) -> tuple[Disclosure, ...]:
    """Return what the requests of a capture reveal, row by row."""
    rows: Counter[str] = Counter()
    models = 0
    for conversation in capture.conversations:
        for request in iterate_requests(conversation.data):
            row = find_row(request.target, dialects)
            if row is not None:
                rows[row] += 1
                models += _MODEL.search(request.header(b"user-agent") or b"") is not None
    disclosures = [Disclosure(row, rows[row], ROWS[row].reveals) for row in ROWS if rows[row]]
    if models:
        disclosures.append(
            Disclosure("User-Agent", models, "model and Android build, by the platform")
        )
    return tuple(disclosures)


def find_faults(data: bytes, dialects: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield all bytes of a connection that the dialects do not allow: reason, offset, length."""
    end = 0
    for request in iterate_requests(data):
        yield from _of_request(request, dialects)
        end = request.end
    if end < len(data):
        yield "these bytes are not a request", end, len(data) - end


def _of_request(request: HttpRequest, dialects: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    length = len(request.method) + 1 + len(request.target)
    if request.method not in {b"GET", b"HEAD"} or find_row(request.target, dialects) is None:
        yield "request line: no row of the dialect table allows it", request.offset, length
    for name, value, offset in request.headers:
        start, size = offset - len(name) - 2, len(name) + 2 + len(value)
        if name.lower() not in HEADERS:
            yield f"headers: no app sends {name[:40].decode('latin-1')}", start, size
        elif name.lower() == b"range" and _RANGE.fullmatch(value) is None:
            yield "headers: no app sends such a Range", offset, len(value)
    if request.body:
        yield "body: no app sends one", request.body_offset, len(request.body)
