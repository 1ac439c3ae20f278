"""Pairs of servers that phones meet while they install."""

import re

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.programme.batteries.installs import install_state
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe
from client_sim.lab.servers.fault import INSTALL_PLACES, is_at
from client_sim.lab.servers.hostile_installs import INSTALLING
from client_sim.lab.servers.pairs import FIRST, OTHERS

REFUSALS = [pair.name for pair in INSTALLING if pair.name[:3].isdigit()]


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


@pytest.mark.parametrize("name", REFUSALS)
def test_a_phone_that_installs_meets_both(battery, name):
    """Each refusal is heard in its place, with its server's value, and no trace differs."""
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
