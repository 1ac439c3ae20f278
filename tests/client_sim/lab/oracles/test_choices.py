"""A phone must take the offers that its place in the rollout allows, and no others."""

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


def test_places_of_the_formats_page(public):
    """The places are those of the vectors in FORMATS."""
    rows = list(bucket_rows())
    assert len(rows) == 4
    for secret, codename, region, channel, counter, place in rows:
        phone = replace(public, codename=codename, region=region, channel=channel)
        assert place_of(secret, phone, counter) == place


def test_choices_by_place_are_clean():
    """A place equal to the share is outside the rollout."""
    assert judge(3, 5, 6) == ()


def test_wrong_choice_is_found():
    """The finding names the poll, the build, the share and the place, and shows the request."""
    for taken, poll, words, data in (
        ((3, 4, 5, 6), 4, ("takes", 3, 0, 0), PACKAGE),
        ((3, 6), 5, ("does not take", 3, 1, 0), b""),
        ((3, 5), 6, ("does not take", 4, 1000, 999), b""),
    ):
        with case(taken, poll, words, data):
            (found,) = judge(*taken)
            does, build, share, place = words
            assert found.where == f"poll {poll}"
            assert found.explanation == (
                f"the phone {does} build {build}, which is offered to {share} of 1000 phones: "
                f"the phone's place is {place}"
            )
            assert found.data == (ROLE + data if data else b"")
            assert (found.offset, found.length) == (len(ROLE) if data else 0, len(data))
            assert (found.channel, found.field) == ("octets", "choice")


def test_every_wrong_choice_is_found():
    """Findings are in the order of polls."""
    assert [found.where for found in judge(3, 4)] == ["poll 4", "poll 5", "poll 6"]


def test_phone_with_another_secret_is_not_judged():
    """It decides the first offers differently, so its places are unknown."""
    for taken in ((2, 3, 4), (4,), (2, 6)):
        with case(taken):
            assert judge(*taken) == ()
