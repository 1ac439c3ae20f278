"""The cloud request table of docs/PRIVACY.md equals the table by which the lab judges."""

import math
import re

from client_sim.cloud.pieces import PIECE
from client_sim.cloud.push import _MAX_RECORD
from client_sim.cloud.records import find_padded, find_padme
from client_sim.lab.cloud.requests import REQUIRED_REQUESTS, TABLE, find_row
from tests.repo.test_request_table import PAGE, read_table

SECTION = (
    PAGE.read_text(encoding="utf-8")
    .split("## The phone's requests to its cloud")[1]
    .split("\n## ")[0]
)


def test_rows():
    """Page and code have the same requests and headers; a step's required request is its row."""
    rows = re.findall(r"`((?:GET|PUT|POST|DELETE) /[^`]*)`", SECTION.split("| claim |")[0])
    assert sorted(rows) == sorted(row.line for row in TABLE)
    named = set(re.findall(r"`([A-Z][A-Za-z-]+)`", SECTION.split("| request |")[0]))
    assert named == {"Host", *(header for row in TABLE for header in row.headers)}
    for step, line in REQUIRED_REQUESTS.items():
        (row,) = (row for row in TABLE if row.line == line)
        assert step in row.when


#: A refused value for each placeholder of a path.
REFUSED = {
    "REGION": "id1",
    "VERSION": "v1",
    "LOCALE": "en-US",
    "UID": "a" * 19,
    "ID": "a" * 21,
    "NAME": "A" * 64,
}


def test_unknown_requests():
    """A path or query that matches no row's pattern is found in no row."""
    row = find_row("GET", f"/api/v1/collection/{'A' * 32}/item/")
    assert row is not None
    assert row.path == "/api/v1/collection/UID/item/"
    assert find_row("GET", "/telemetry") is None
    for name, value in REFUSED.items():
        paths = [(each.method, re.sub(rf"\b{name}\b", value, each.path)) for each in TABLE]
        changed = [path for path, each in zip(paths, TABLE, strict=True) if path[1] != each.path]
        assert changed, name
        assert [path for path in changed if find_row(*path) is not None] == []
    assert re.fullmatch(row.query, f"limit=50&stoken={'a' * 38}")
    for query in ("limit=51", "stoken=a", "limit=50&serial=1"):
        assert not re.fullmatch(row.query, query)


def count_lengths(pad, first, last):
    """Return to how many different lengths contents of `first` to `last` bytes are padded."""
    found, length = 0, first
    while length <= last:
        found, length = found + 1, pad(length) + 1
    return found


def test_budget_of_lengths():
    """The page's counts of lengths, and their logarithms, equal those that the padding leaves."""
    cells = [list(row.values()) for row in read_table("cloud-budget")]
    rows = {row[0]: row[3:5] for row in cells}
    assert rows["content below 16 KiB"][0] == str(count_lengths(find_padded, 0, 16_383))
    assert rows["content of 16 KiB to 12 MiB"][0] == str(
        count_lengths(find_padded, 16_384, _MAX_RECORD)
    )
    assert rows["piece"][0] == str(count_lengths(find_padme, 2, PIECE))
    for size, bits in rows.values():
        assert round(math.log2(int(size)), 1) == float(bits)
