"""Servers that refuse what a phone installs, or keep back a part: they do not know it again."""

import re

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.programme.batteries.offers import install_state
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe
from client_sim.lab.servers.fault import INSTALL_PLACES, is_at
from client_sim.lab.servers.hostile_fetches import INSTALLING, MANNERS, SMALL_PARTS, STOCKED_PARTS
from client_sim.lab.servers.packs import PARTS
from client_sim.lab.servers.replies import FIRST, OTHERS, only_at
from client_sim.lab.servers.repository import Repository

REFUSALS = [pair.name for pair in INSTALLING if pair.name[:3].isdigit()]
PARTS_OF_TABLES = "/targets/tables/"


@pytest.fixture(scope="module")
def battery():
    """Make the battery that they are met in."""
    return install_state(plan_ground(PollingClient, 1), 1000)


def is_told(seen, mark):
    """Tell whether a phone was told a value of a mark."""
    values = (mark.text, str(mark.number), mark.date)
    return any(value.encode() in data for data in seen.received for value in values)


def find_places(seen):
    """List what of an offer a phone asked for: who is refused goes no further."""
    data = b"".join(connection.data for connection in seen.connections())
    targets = re.findall(r"GET (\S+)", data.decode("latin-1"))
    return [place for place in INSTALL_PLACES if any(is_at(place, each) for each in targets)]


def test_a_phone_that_installs_meets_both(battery):
    """Each refusal is heard in its place, with its server's value, and no trace differs."""
    for name in REFUSALS:
        number = [pair.name for pair in INSTALLING].index(name)
        case = battery.make(number)
        seen = [observe(PollingClient, setting) for setting in case.settings]
        assert [is_told(one, FIRST) for one in seen] == [True, False, False]
        assert all(any(is_told(one, mark) for mark in OTHERS) for one in seen[1:])
        places = [*INSTALL_PLACES]
        assert find_places(seen[0]) == places[: places.index(name.split(" at ")[1]) + 1]
        assert case.judge(seen) == ()


def test_every_request_of_an_installation_is_refused_somewhere(battery):
    """Names are unique; half of the phones poll over TLS, and builds of both kinds are there."""
    assert len({pair.name for pair in INSTALLING}) == battery.size == len(INSTALLING)
    assert {name.split(" at ")[1] for name in REFUSALS} == {*INSTALL_PLACES}
    phones = [battery.make(number).settings[0].public for number in range(battery.size)]
    assert {phone.tls for phone in phones} == {False, True}
    assert len({phone.build.counter for phone in phones}) > 1


def asked_parts(phone, poll):
    """Give the numbers of the parts of tables that a phone asked for in a poll."""
    paths = phone.asked[poll]
    return [int(path.split(".")[1]) for path in paths if path.startswith(PARTS_OF_TABLES)]


def refused(make_phone, serve, wrap):
    """Let a phone poll three times; the first time a part is kept back."""
    phone = make_phone(only_at({0}, wrap)(serve))
    phone.poll(3)
    return phone


def test_a_phone_stops_at_the_part_and_asks_for_all_of_them_the_next_time(make_phone, repository):
    """Of four parts two servers keep back different ones; the next polls of both are the same."""
    for pair in SMALL_PARTS:
        one, other = (
            refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
        )
        kept = [int(name.split()[1]) for name in pair.name.partition(": ")[2].split(", or ")]
        for phone, part in zip((one, other), kept, strict=True):
            assert asked_parts(phone, 0) == list(range(part + 1))
            assert phone.outcomes[0].failure is None
            assert asked_parts(phone, 1) == [0, 1, 2, 3]
            assert asked_parts(phone, 2) == []
        assert one.asked[1:] == other.asked[1:]


def test_kinds_of_a_role_are_held_together_or_not_at_all(make_phone):
    """Where there is every kind, an access point's part and a time zone's are kept back alike."""
    repository = Repository(kinds=tuple(PARTS))
    for pair in STOCKED_PARTS[:: MANNERS // 3]:
        one, other = (
            refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
        )
        assert one.asked[0] != other.asked[0]
        assert one.asked[1:] == other.asked[1:]
        assert len(asked_parts(one, 1)) in {0, 16 + 16 + 4 + 16}
    names = [pair.name for pair in (*SMALL_PARTS, *STOCKED_PARTS)]
    assert len(set(names)) == len(names)
