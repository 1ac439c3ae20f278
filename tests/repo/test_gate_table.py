"""The two tables of docs/PRIVACY.md agree with the copies in the gate."""

import re

import pytest

from server.device.gate import PHONE, check_request, phone_request
from server.http.fallback import RESPONSE_HEADERS
from server.http.requests import READ, REFUSED, TOLERATED, GateMode, Refused
from tests.cases import case
from tests.repo.test_request_table import HEADERS, PAGE, TABLE, paths_of

COLUMNS = {"read": READ, "tolerated unread": TOLERATED, "refused": REFUSED}
NAMES = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def header_rows():
    """Return the rows of the table of headers: the names by the gate's action."""
    section = PAGE.read_text(encoding="utf-8").split("| header | gate |")[1].split("\n## ")[0]
    rows = [re.findall(r"[^|]+", line) for line in section.strip().splitlines()[1:] if "|" in line]
    return {row[1].strip(): row[0].strip() for row in rows}


def phone_headers(row):
    """Return the headers of a row of the request table in the gate's form."""
    name, _, value = HEADERS[row["headers"]].partition(b": ")
    return [(b"Host", b"h.example"), (name, value)]


def test_table_of_headers():
    """Page and gate have the same names of read, tolerated and refused headers."""
    rows = header_rows()
    assert len(rows) == 4
    for verdict, names in COLUMNS.items():
        cell = rows[verdict].replace("any `Sec-*`", "")
        assert {name.lower().encode() for name in NAMES.findall(cell)} == names
    assert "any `Sec-*`" in rows["tolerated unread"]
    assert READ.isdisjoint(TOLERATED)
    assert REFUSED.isdisjoint(READ | TOLERATED)


def test_header_names():
    """Every name that the page does not refuse passes, in any case; a refused name never does.

    A name that is not in the table is refused; with an edge in front it is tolerated and counted.
    """
    for name in sorted(READ | TOLERATED | {b"sec-any"}):
        for spelling in (name, name.upper(), name.title()):
            headers = [(b"Host", b"h.example"), (spelling, b"h.example")][name == b"host" :]
            with case(spelling):
                check_request("GET", "/metadata/timestamp.json", (1, 1), headers, GateMode.DIRECT)
    for name, modes in (
        *((name.title(), (GateMode.DIRECT, GateMode.EDGE)) for name in sorted(REFUSED)),
        (b"X-Any", (GateMode.DIRECT,)),
    ):
        for mode in modes:
            headers = [(b"Host", b"h.example"), (name, b"x")]
            with case(name, mode), pytest.raises(Refused):
                check_request("GET", "/metadata/timestamp.json", (1, 1), headers, mode)
    headers = [(b"Host", b"h.example"), (b"X-Any", b"x")]
    assert check_request("GET", "/metadata/timestamp.json", (1, 1), headers, GateMode.EDGE) is True


def test_rows():
    """The ids of the request table are those of the gate's rules."""
    assert list(PHONE) == [row["id"] for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_rows_pass_every_mode(row):
    """A request built from a row matches that row only, and every mode accepts it."""
    for path in paths_of(row):
        assert phone_request(path) == row["id"], path
        assert [name for name, rule in PHONE.items() if rule.fullmatch(path)] == [row["id"]]
        for mode in GateMode:
            assert check_request(row["method"], path, (1, 1), phone_headers(row), mode) is False


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_strict_mode(row):
    """The strict gate accepts each row with one method and one set of headers only."""
    path = next(iter(paths_of(row)))
    right = phone_headers(row)
    others = [(method, right) for method in ("HEAD", "POST", "get") if method != row["method"]] + [
        (row["method"], right[:1]),
        (row["method"], right[::-1]),
        (row["method"], [*right, (b"Accept", b"*/*")]),
        (row["method"], [(b"host", b"h.example"), right[1]]),
    ]
    others += [
        (row["method"], [right[0], tuple(line.split(b": "))])
        for headers, line in HEADERS.items()
        if headers != row["headers"]
    ]
    for method, headers in others:
        with pytest.raises(Refused):
            check_request(method, path, (1, 1), headers, GateMode.STRICT)


def test_excluded_response_headers():
    """The table of response headers has no header that the page excludes."""
    excluded = re.search(
        r"Response headers are a closed table; (.*?) are not in it", PAGE.read_text(), re.DOTALL
    )
    names = set(re.findall(r"`([A-Za-z-]+)`", excluded[1]))
    assert names == {"Set-Cookie", "Server", "Last-Modified"}
    assert names.isdisjoint(RESPONSE_HEADERS)
