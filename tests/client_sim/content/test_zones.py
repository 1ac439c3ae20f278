"""Time zones by RFC 9636, decoded without the C library, which trusts its bytes."""

import datetime as dt
import struct

import pytest

from client_sim.content.zones import decode_rule, decode_tzif
from client_sim.device.errors import ContentError
from tests.cases import case
from tests.server.core.content.samples import tzif


def at(text):
    """Return the epoch seconds of a time in UTC."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


def test_the_rule_for_later_years():
    """Values by hand; each change holds from its first second."""
    for rule, moment, offset, name in (
        # J60 is the 1st of March in every year, 59 its 60th day: 29 February in 2028.
        ("AAA0BBB,J60/0,J61/0", "2028-02-29T12:00:00", 0, "AAA"),
        ("AAA0BBB,J60/0,J61/0", "2028-03-01T12:00:00", 3600, "BBB"),
        ("AAA0BBB,59/0,60/0", "2028-02-29T12:00:00", 3600, "BBB"),
        ("<+0545>-5:45", "2027-01-01T00:00:00", 20_700, "+0545"),
    ):
        with case(rule, moment, offset, name):
            found = decode_rule(rule).find(at(moment))
            assert (found.offset, found.name) == (offset, name)


def test_rule_beyond_the_calendar():
    """A year that the calendar does not have is a content error."""
    with pytest.raises(ContentError, match="years that the calendar has"):
        decode_rule("CET-1CEST,M3.5.0,M10.5.0/3").find(10**12)


def summer_zone(footer):
    """Return a version 2 file with summer time from second 1 on; all types are named UTC."""
    empty = tzif()[: 44 + 6 + 1]
    rows = b"".join(struct.pack(">iBB", *row) for row in ((0, 0, 0), (3600, 1, 0), (0, 0, 0)))
    head = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 2, 3, 4)
    return empty + head + struct.pack(">2q2B", 1, 2, 1, 1) + rows + b"UTC\0\n" + footer + b"\n"


def test_a_zone_that_ends_in_summer_time():
    """The C library of some Python versions reads beyond its buffer for this file."""
    zone = decode_tzif(summer_zone(b"UTC0"))
    assert [zone.find(second).offset for second in (0, 1, 2)] == [0, 3600, 0]
    zone = decode_tzif(summer_zone(b""))
    assert [zone.find(second).is_summer for second in (0, 1, 2, 10**12)] == [
        False,
        True,
        True,
        True,
    ]
