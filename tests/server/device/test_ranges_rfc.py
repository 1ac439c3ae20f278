"""Ranges of RFC 9110 section 14: a row for each rule, and any range as a slice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http.answers import Unsatisfiable, plan_range
from tests.cases import case
from tests.server.device.served import BYTES, URL, serve_bytes

ETAG = '"sha256-abc"'
LENGTH = 10_000  # the representation of the examples of section 14.1.2
WHOLE = "whole"  # 200, as without a range
NONE = "416"

# Section, sentence, Range, length of the representation, what is sent.
ROWS = [
    ("14.1.2", "The first 500 bytes.", "bytes=0-499", LENGTH, (0, 499)),
    ("14.1.2", "The second 500 bytes.", "bytes=500-999", LENGTH, (500, 999)),
    ("14.1.2", "The final 500 bytes by a suffix.", "bytes=-500", LENGTH, (9500, 9999)),
    ("14.1.2", "The final 500 bytes, open.", "bytes=9500-", LENGTH, (9500, 9999)),
    ("14.1.2", "Bytes are counted from zero.", "bytes=0-0", LENGTH, (0, 0)),
    ("14.1.2", "Without a last-pos: the remainder.", "bytes=1-", LENGTH, (1, 9999)),
    ("14.1.2", "A last-pos after the end: the remainder.", "bytes=1-10000", LENGTH, (1, 9999)),
    ("14.1.2", "A suffix longer than it: all of it.", "bytes=-10001", LENGTH, (0, 9999)),
    ("14.1.2", "Positions of any number of digits.", f"bytes=7-{'9' * 400}", LENGTH, (7, 9999)),
    ("14.1.2", "Leading zeros are digits.", "bytes=007-0009", LENGTH, (7, 9)),
    ("14.1.2", "No request has so many digits.", f"bytes={'9' * 5000}-", LENGTH, WHOLE),
    ("14.1.2", "Invalid, a last-pos below the first-pos.", "bytes=500-499", LENGTH, WHOLE),
    ("14.1.2", "Only digits are a position.", "bytes=a-b", LENGTH, WHOLE),
    ("14.1.2", "Only digits are a position.", "bytes=+1-2", LENGTH, WHOLE),
    ("14.1.2", "Only digits are a position.", "bytes=0x1-2", LENGTH, WHOLE),
    ("14.1.2", "Only digits are a position.", "bytes=1.0-2", LENGTH, WHOLE),
    ("14.1.2", "Only digits of ASCII are.", "bytes=\u0661-2", LENGTH, WHOLE),
    ("14.1.2", "No space in a range.", "bytes=0 - 499", LENGTH, WHOLE),
    ("14.1.2", "A dash alone is no range.", "bytes=-", LENGTH, WHOLE),
    ("14.1.2", "Two dashes are no range.", "bytes=--1", LENGTH, WHOLE),
    ("14.1.2", "The first-pos is the length: none.", "bytes=10000-", LENGTH, NONE),
    ("14.1.2", "The first-pos is after the end: none.", "bytes=10001-10002", LENGTH, NONE),
    ("14.1.2", "A suffix of no bytes: none.", "bytes=-0", LENGTH, NONE),
    ("14.1.2", "A suffix of no bytes, longer.", "bytes=-000", LENGTH, NONE),
    ("14.1", "Names of units have any case.", "Bytes=0-499", LENGTH, (0, 499)),
    ("14.1", "Names of units have any case.", "BYTES=-1", LENGTH, (9999, 9999)),
    ("14.2", "An unknown unit is ignored.", "lines=0-1", LENGTH, WHOLE),
    ("14.2", "An unknown unit is ignored.", "bytesx=0-1", LENGTH, WHOLE),
    ("14.1.1", "Without a set there is no range.", "bytes=", LENGTH, WHOLE),
    ("14.1.1", "Without an equals sign there is none.", "bytes 0-1", LENGTH, WHOLE),
    ("5.6.1.2", "Empty list elements are ignored.", "bytes=,0-499", LENGTH, (0, 499)),
    ("5.6.1.2", "Empty list elements are ignored.", "bytes=0-499, ,", LENGTH, (0, 499)),
    ("5.6.1.2", "A list of empty elements is empty.", "bytes=, ,", LENGTH, WHOLE),
    ("14.2", "Several ranges may be ignored.", "bytes=0-0,-1", LENGTH, WHOLE),
    ("14.2", "Several ranges may be ignored.", "bytes=500-600,601-999", LENGTH, WHOLE),
    ("14.2", "Several that overlap should be.", "bytes=0-,0-,0-", LENGTH, WHOLE),
    ("14.1.2", "One is malformed, so the set is.", "bytes=0-1,x", LENGTH, WHOLE),
    ("14.1.2", "An empty file has no position.", "bytes=0-", 0, NONE),
    ("14.1.2", "An empty file has a suffix.", "bytes=-1", 0, WHOLE),
    ("14.1.2", "But no suffix of no bytes.", "bytes=-0", 0, NONE),
]


def plan(value, length, if_range=None):
    """Return the planned answer in the table's terms."""
    try:
        part = plan_range(value.encode(), if_range, ETAG, length)
    except Unsatisfiable:
        return NONE
    return WHOLE if part is None else (part.first, part.last)


def test_rfc_9110_ranges():
    """Each row's range is planned as its sentence says."""
    for value, length, wanted in [row[2:] for row in ROWS]:
        with case(value, length, wanted):
            assert plan(value, length) == wanted


def test_if_range(served):
    """A range applies only if If-Range names the same representation."""
    for if_range in (
        f"W/{ETAG}",  # 13.1.5: a weak tag must not be used, 8.8.3.2: never matches
        '"sha256-abd"',
        "sha256-abc",  # 8.8.3: a tag is quoted
        "*",
        "Thu, 01 Jan 1970 00:00:00 GMT",  # 13.1.5: exactly the Last-Modified; there is none
        "",
        f'{ETAG}, "other"',  # 13.1.5: one tag, no list
    ):
        with case(if_range):
            assert plan("bytes=0-499", LENGTH, if_range.encode()) == WHOLE
            assert plan("bytes=10000-", LENGTH, if_range.encode()) == WHOLE
    assert plan("bytes=0-499", LENGTH, ETAG.encode()) == (0, 499)
    assert plan("bytes=10000-", LENGTH, ETAG.encode()) == NONE
    for tag, status in ((served.get(URL)["ETag"], 206), ('"other"', 200)):
        line = f"If-Range: {tag}".encode()
        assert served.get(URL, b"Range: bytes=0-9", line).status == status


numbers = st.integers(0, 2000) | st.integers(0, 10**30)


@given(st.binary(max_size=1000), numbers, numbers)
def test_range_with_two_positions_is_a_slice(data, first, last):
    """A range with two positions is Python's slice; an empty slice gives 416."""
    wanted = data[first : last + 1]
    found = plan(f"bytes={first}-{last}", len(data))
    if last < first:
        assert found == WHOLE
    elif not wanted:
        assert found == NONE
    else:
        assert data[found[0] : found[1] + 1] == wanted
        assert found[1] < len(data)


@given(st.binary(max_size=1000), numbers)
def test_open_and_suffix_ranges_are_slices(data, number):
    """Open ranges and suffix ranges are Python's slices."""
    found = plan(f"bytes={number}-", len(data))
    assert (data[found[0] : found[1] + 1] if found != NONE else b"") == data[number:]
    found = plan(f"bytes=-{number}", len(data))
    if number == 0:
        assert found == NONE
    elif data:
        assert data[found[0] : found[1] + 1] == data[-number:]
    else:
        assert found == WHOLE


@given(st.binary(max_size=60), st.integers(0, 100))
def test_arbitrary_range_headers(value, length):
    """For any header, the planned range lies inside the representation."""
    for field in (value, b"bytes=" + value):
        try:
            part = plan_range(field, None, ETAG, length)
        except Unsatisfiable:
            continue
        assert part is None or 0 <= part.first <= part.last < length
        assert part is None or part.length == part.last + 1 - part.first


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a package."""
    with serve_bytes(tmp_path_factory.mktemp("blobs"), BYTES) as running:
        yield running


WIRE = [
    # Range, status, Content-Range, bytes
    (None, 200, None, BYTES),
    ("bytes=0-499", 206, f"bytes 0-499/{len(BYTES)}", BYTES[:500]),
    ("bytes=-500", 206, f"bytes {len(BYTES) - 500}-{len(BYTES) - 1}/{len(BYTES)}", BYTES[-500:]),
    ("bytes=0-", 206, f"bytes 0-{len(BYTES) - 1}/{len(BYTES)}", BYTES),
    (f"bytes={len(BYTES)}-", 416, f"bytes */{len(BYTES)}", None),
    ("bytes=-0", 416, f"bytes */{len(BYTES)}", None),
    ("bytes=0-1,4-5", 200, None, BYTES),
    ("bytes=5-4", 200, None, BYTES),
    ("lines=0-1", 200, None, BYTES),
]


def test_ranges_over_http(served):
    """Status, Content-Range and bytes are as required (15.3.7, 15.5.17).

    The digest is that of the whole package (RFC 9530 section 3). HEAD ignores Range (14.2).
    """
    whole = served.get(URL)
    fields = [each for each in whole.headers if each[0] != "Date"]
    for value, status, where, data in WIRE:
        lines = [] if value is None else [f"Range: {value}".encode()]
        answer = served.get(URL, *lines)
        assert (answer.status, answer["Content-Range"]) == (status, where)
        assert answer["Accept-Ranges"] == "bytes"  # 14.3
        assert answer["Content-Length"] == str(len(answer.body))
        if data is None:
            assert answer["Content-Type"] == "application/problem+json"
        else:
            assert answer.body == data
            for name in ("ETag", "Repr-Digest", "Cache-Control", "Content-Type"):  # 15.3.7
                assert answer[name] == whole[name] is not None
        head = served.get(URL, *lines, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert [each for each in head.headers if each[0] != "Date"] == fields


def test_if_none_match_comes_first(served):
    """If-None-Match is evaluated before Range (13.2.2)."""
    etag = served.get(URL)["ETag"].encode()
    answer = served.get(URL, b"Range: bytes=0-1", b"If-None-Match: " + etag)
    assert (answer.status, answer.body) == (304, b"")
    answer = served.get(URL, b"Range: bytes=99999999-", b"If-None-Match: " + etag)
    assert answer.status == 304


def test_empty_package(tmp_path):
    """An empty package needs no blob, and only a suffix range is satisfiable."""
    with serve_bytes(tmp_path, b"") as running:
        head = running.get(URL, method="HEAD")
        assert (head.status, head["Content-Length"]) == (200, "0")
        for lines in ([], [b"Range: bytes=-1"]):
            answer = running.get(URL, *lines)
            assert (answer.status, answer.body, answer["Content-Length"]) == (200, b"", "0")
        for line in (b"Range: bytes=0-", b"Range: bytes=-0"):
            answer = running.get(URL, line)
            assert (answer.status, answer["Content-Range"]) == (416, "bytes */0")
