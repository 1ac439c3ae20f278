"""A server in this process, and phones of a fleet that poll it."""

from contextlib import contextmanager

import pytest

from client_sim.fleet import timer_wheel
from client_sim.fleet.decisions import Behaviour, Decider
from client_sim.fleet.driver import Driver
from client_sim.fleet.population import Draws, Group, Habits, draw_phones
from client_sim.fleet.target import Target
from client_sim.fleet.timer_wheel import TICKS
from client_sim.world import BuildFacts
from tests.client_sim.device.repository_simulator import SOURCE, START, Repository
from tests.client_sim.device.web_server import serve

PLAIN = Habits(current=0.0, older=0.0, fresh=0.0, flaky=0.0, skewed=0.0)
NEWEST = "Hening/armani/armani:14/T/2:user/release-keys"
BUILDS = (
    BuildFacts(SOURCE, "1", 1, START - 1, "2025-12-05"),
    BuildFacts(NEWEST, "2", 2, START, "2026-01-05"),
)
GROUP = Group("armani", "id", "stable", BUILDS, START - 100)
WINDOW = 300  # seconds
LONGEST = 28_801
"""Seconds within which every phone polls: FORMATS section 9."""


def target_of(server):
    """Return the target with which a fleet reaches a server."""
    root = server.repository.trusted_root
    return Target("127.0.0.1", server.port, "127.0.0.1", tls=False, root=root)


class Served:
    """A repository, its server, and the fleet's target."""

    def __init__(self, repository, server):
        self.repository = repository
        self.server = server
        self.target = target_of(server)

    def make_driver(self, count=20, habits=PLAIN, **behaviour):
        """Return a driver of `count` phones that have never polled, each due at tick 0."""
        draws = Draws(1, "test")
        phones = draw_phones(count, (GROUP,), habits, draws)
        asked = Behaviour(self.target.host_header, float(START), 86_400.0, **behaviour)
        decider = Decider((GROUP,), phones, 1, 0)
        driver = Driver(self.target, (GROUP,), phones, asked, draws, decider)
        driver.phones = phones
        for phone in range(count):
            driver.schedule.put(phone, 0)
        return driver

    def paths(self):
        """Return the paths requested so far on each connection."""
        return [
            [line.split(b" ")[1].decode() for line in data.split(b"\r\n") if b"GET " in line]
            for data in self.server.received
        ]


def live(driver, seconds, start=0):
    """Advance the phones by `seconds` from `start`, in windows as a worker does.

    Ticks at which no phone is due are skipped.
    """
    wheel = driver.schedule
    first, slots, nobody = wheel._first, wheel._slots, timer_wheel._EMPTY
    for tick in range(start * TICKS, (start + seconds) * TICKS):
        is_end = tick % (WINDOW * TICKS) == 0
        if is_end or first[tick % slots] != nobody:
            driver.advance(tick)
        if is_end:
            settle(driver)
    settle(driver)


def settle(driver):
    """Wait until all exchanges have ended."""
    while driver.exchanges.under_way:
        driver.exchanges.process(1.0)


@pytest.fixture
def served():
    """Serve a repository without a pointer."""
    with serve_repository() as opened:
        yield opened


@contextmanager
def serve_repository(now=START):
    """Serve a repository that signs at `now` for the length of a block."""
    repository = Repository(now)
    with serve(repository) as server:
        yield Served(repository, server)
