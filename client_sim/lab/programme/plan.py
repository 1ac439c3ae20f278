"""What a programme consists of, from its name alone: so that every process builds the same.

A profile says how much of each battery is run: for a release, for a commit, for one mutant.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from client_sim.lab.programme.batteries import (
    crossed,
    fleet,
    machines,
    offers,
    packs,
    personal,
    servers,
    timing,
)
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.ground import Ground, plan_ground
from client_sim.world import Factory


@dataclass(frozen=True, slots=True)
class Profile:
    """Cases per battery, by its oracle; batteries that are not named are left out.

    The first run of the first `searched` cases of each battery, but for those of `unsearched`, is
    searched for planted values, `layers` deep: what is searched for is computed anew for each
    owner. With `is_plain_searched` all other runs are searched as well, but for cases in which the
    battery itself found something, for values as they are spelled: what was recorded is decoded
    there, too, but no digest is computed.
    """

    name: str
    sizes: Mapping[str, int]
    searched: int
    layers: int
    unsearched: frozenset[str] = frozenset()
    is_plain_searched: bool = False

    def only(self, oracles: Iterable[str]) -> "Profile":
        """Return the profile with some batteries alone, as large as a leaky client needs."""
        return replace(self, sizes={each: RARE.get(each) or self.sizes[each] for each in oracles})


RARE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "determinism": 20,  # three parities in each: two keys that were drawn differ in some
        "events": 40,  # each kind in a row, twice, and a phone without a network for long
        "fleet": 4,
        "machine": 16,
        "server-state": 246,
        "faults": 40,
        "split": 1,
        "parts": 2,
        "packs": 18,  # all that is done with packs, twice
        "holdings": 2,
        "installs": 1,
        "offers": 16,
        "crossed": 230,  # nearly each triple of conditions, once
        "install-faults": 20,
        "install-state": 24,
        "timing": 12,
    }
)
"""Cases of a battery for leaky clients that it alone examines, as they wait for what it does."""

_ALL: Final = 10_000  # of a battery that has no more cases than there are kinds of something

_SIZES: Final[Mapping[str, tuple[int, int, int, int]]] = {
    # For a release, for a commit; for a leaky client in the whole matrix and in a sample of it.
    "determinism": (1000, 20, 2, 2),
    "personal": (1727, 60, 6, 2),  # eight owners each
    "boundary": (_ALL, 272, 208, 208),  # homes in all countries are in `personal`, too
    "events": (500, 40, 8, 4),
    "machine": (100, 16, 0, 0),
    "crossed": (240, 48, 0, 0),  # each triple of conditions, each pair
    "fleet": (1143, 24, 3, 3),  # seven phones each, a thousand for each of eight kinds
    "installs": (4, 1, 0, 0),
    "offers": (96, 16, 0, 0),  # each kind of event, alone and among others
    "downloads": (50, 4, 1, 1),
    "split": (12, 2, 0, 0),  # six orders, with and without TLS
    "public": (200, 24, 8, 8),
    "horizon": (12, 2, 2, 2),
    "phases": (10, 1, 1, 1),
    "server-state": (_ALL, 123, 123, 123),
    "timing": (200, 20, 4, 4),
    "stationarity": (50, 4, 2, 1),
    "parts": (_ALL, 16, 0, 0),
    "packs": (_ALL, 14, 0, 0),
    "holdings": (24, 6, 0, 0),
    "faults": (_ALL, 365, 30, 40),  # each fault in one poll and in four, each in one
    "install-faults": (116, 49, 0, 0),
    "install-state": (_ALL, 24, 0, 0),
    "sockets": (20, 2, 0, 0),
    "network": (20, 2, 0, 0),
}


def _profile(
    column: int,
    name: str,
    *,
    searched: int = 1,
    layers: int = 2,
    unsearched: tuple[str, ...] = (),
    is_plain_searched: bool = False,
) -> Profile:
    sizes = {oracle: row[column] for oracle, row in _SIZES.items() if row[column]}
    return Profile(
        name,
        MappingProxyType(sizes),
        searched,
        layers,
        frozenset(unsearched),
        is_plain_searched,
    )


_LONG: Final = ("horizon", "phases")
"""Runs of a hundred days: a leaky client that sends something else each time takes seconds."""
_PACKS: Final = ("parts", "packs", "holdings")
"""Each of them polls as phones do in batteries that are searched."""

PROFILES: Final = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            # More runs than any published instrument, and every claim's own number.
            _profile(0, "full", searched=4, unsearched=_PACKS, is_plain_searched=True),
            _profile(1, "quick", unsearched=_PACKS, is_plain_searched=True),  # a minute
            _profile(2, "mutant", unsearched=(*_LONG, *_PACKS)),
            _profile(3, "probe", unsearched=(*_LONG, *_PACKS)),  # until two have found it
        )
    }
)
"""For each release, for each commit, and for the leaky clients of either."""


Make = Callable[[Ground, int], Battery]

BATTERIES: Final[Mapping[str, Make]] = {
    "determinism": fleet.determinism,
    "personal": personal.personal,
    "boundary": personal.boundary,
    "events": personal.events,
    "crossed": crossed.crossed,
    "public": personal.public,
    "machine": machines.machine,
    "fleet": fleet.fleet,
    "downloads": fleet.downloads,
    "installs": offers.installs,
    "offers": offers.offers,
    "split": fleet.split,
    "timing": timing.timing,
    "stationarity": timing.stationarity,
    "server-state": servers.server_state,
    "parts": packs.parts,
    "packs": packs.packs,
    "holdings": packs.holdings,
    "faults": servers.faults,
    "install-faults": offers.install_faults,
    "install-state": offers.install_state,
    "horizon": personal.horizon,
    "phases": timing.phases,
    "sockets": machines.sockets,
    "network": machines.network,
}
"""Batteries by oracle, in the order in which they run: cheap and telling first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The names that a programme follows from: a client, a profile, a seed."""

    client: str
    profile: str
    seed: int


def make_batteries(ground: Ground, profile: Profile) -> tuple[Battery, ...]:
    """Make the batteries that a profile names, with its sizes."""
    return tuple(
        make(ground, profile.sizes[oracle])
        for oracle, make in BATTERIES.items()
        if oracle in profile.sizes
    )


def batteries_of(plan: Plan, factory: Factory) -> tuple[Battery, ...]:
    """Make the batteries of a plan for a client."""
    return make_batteries(plan_ground(factory, plan.seed), profile_of(plan))


def profile_of(plan: Plan) -> Profile:
    """Return the profile that a plan names."""
    return PROFILES[plan.profile]
