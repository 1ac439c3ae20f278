"""Whoever shares a request of an installation with too few is found."""

from client_sim.lab.oracles.crowds import CROWDS, judge_crowds
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case

ROLE = "/metadata/3.armani.json"
PACKAGE = f"/targets/armani/id/stable/{'a' * 64}.f.zip"
OTHER = f"/targets/armani/id/stable/{'b' * 64}.f.zip"
TIMESTAMP = "/metadata/timestamp.json"


def phone(*paths):
    """Make a run of one poll, with these requests on one connection."""
    lines = [
        f"GET {path} HTTP/1.1\r\nHost: h.example\r\n"
        f"{'Range: bytes=0-5' if path.startswith('/targets') else 'Accept-Encoding: gzip'}\r\n\r\n"
        for path in paths
    ]
    departures = [Departure(1.0, "poll 1", Channel.CONNECT, 0, b"192.0.2.1 80 ")]
    departures += [Departure(1.0, "poll 1", Channel.BYTES, 0, line.encode()) for line in lines]
    return Observation(tuple(departures), (), (), (b"",), None)


def test_four_of_a_kind_are_enough():
    """Also where others of the fleet install something else, or nothing."""
    fleet = [phone(TIMESTAMP, ROLE, PACKAGE)] * 4 + [phone(OTHER)] * 4 + [phone(TIMESTAMP)]
    assert judge_crowds(fleet) == ()


def test_three_are_too_few():
    """The finding names the field, its value, and how many show it."""
    for path, of in ((PACKAGE, "package"), (ROLE, "codename")):
        with case(path, of):
            assert CROWDS[of] == 4
            findings = judge_crowds([phone(path)] * 3)
            (found,) = (finding for finding in findings if finding.field == "path")
            assert found.data == path.encode()
            assert (found.offset, found.length, found.channel) == (0, len(path), "octets")
            assert found.where == f"poll 1, {of}"
            assert found.explanation == (
                f"path {path.encode()!r} is shown by 3 of 3 phones, where 4 or more must share it"
            )


def test_the_rarest_value_is_named():
    """Beside a crowd one phone stands alone."""
    findings = judge_crowds([*[phone(PACKAGE)] * 9, phone(OTHER)])
    assert [finding.data for finding in findings] == [OTHER.encode()]


def test_what_every_phone_asks_needs_no_crowd():
    """A poll tells neither model nor build; how it may differ is the budget's."""
    assert judge_crowds([phone(TIMESTAMP)]) == ()


def test_another_crowd_may_be_asked_for():
    """Only of what is named."""
    assert judge_crowds([phone(ROLE, PACKAGE)], {"package": 1}) == ()
    assert judge_crowds([phone(ROLE, PACKAGE)] * 2, {"package": 3}) != ()
