"""A phone takes an offer where its place lets it in; one with another secret is not judged."""

from dataclasses import replace

from client_sim.lab.oracles.choices import Offered, judge_choices, place_of
from client_sim.lab.trace.observation import Channel, Departure, Observation
from tests.cases import case
from tests.client_sim.device.formats_page import bucket_rows

PACKAGE = b"GET /targets/armani/id/stable/6a2c.armani-2-full.zip HTTP/1.1\r\n\r\n"
ROLE = b"GET /metadata/2.armani.json HTTP/1.1\r\n\r\n"
PART = b"GET /targets/tables/emergency/6a2c.00.xz HTTP/1.1\r\n\r\n"
OFFERED = (
    Offered(2, 2, 448, 448),
    Offered(3, 2, 448, 449),
    Offered(4, 3, 0, 0),
    Offered(5, 3, 0, 1),
    Offered(6, 4, 999, 1000),
)
KNOWN = 2


def judge(*taken):
    """Judge a phone that fetches packages in these polls."""
    departures, received = [], []
    for poll in range(1, 7):
        for data in (PART, ROLE + PACKAGE if poll in taken else ROLE):
            connection = len(received)
            departures += [
                Departure(0.0, f"poll {poll}", Channel.CONNECT, connection, b"target"),
                Departure(0.0, f"poll {poll}", Channel.BYTES, connection, data),
            ]
            received.append(b"")
    seen = Observation(tuple(departures), (), (), tuple(received), None)
    return judge_choices(seen, OFFERED, KNOWN)


def test_places_are_those_of_the_page(public):
    """FORMATS has vectors."""
    rows = list(bucket_rows())
    assert len(rows) == 4
    for secret, codename, region, channel, counter, place in rows:
        phone = replace(public, codename=codename, region=region, channel=channel)
        assert place_of(secret, phone, counter) == place


def test_who_is_in_takes_the_build_and_who_is_out_passes_it_over():
    """The first place that is out is that of the share itself."""
    assert judge(3, 5, 6) == ()


def test_another_choice_is_found():
    """With the poll, the build, the share, the place, and the request where there is one."""
    for taken, poll, does, data in (
        ((3, 4, 5, 6), 4, "takes build 3, which is for 0 of 1000 phones: its place is 0", PACKAGE),
        ((3, 6), 5, "passes over build 3, which is for 1 of 1000 phones: its place is 0", b""),
        ((3, 5), 6, "passes over build 4, which is for 1000 of 1000 phones: its place is 999", b""),
    ):
        with case(taken, poll, does, data):
            (found,) = judge(*taken)
            assert (found.where, found.explanation) == (f"poll {poll}", f"the phone {does}")
            assert found.data == (ROLE + data if data else b"")
            assert (found.offset, found.length) == (len(ROLE) if data else 0, len(data))
            assert (found.channel, found.field) == ("octets", "choice")


def test_each_wrong_choice_is_told():
    """In the order of polls."""
    assert [found.where for found in judge(3, 4)] == ["poll 4", "poll 5", "poll 6"]


def test_a_phone_with_another_secret_is_not_judged():
    """It decides the first offers otherwise; where it stands then is not known."""
    for taken in ((2, 3, 4), (4,), (2, 6)):
        with case(taken):
            assert judge(*taken) == ()
