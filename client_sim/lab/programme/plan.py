"""Plans of programmes; a plan consists of names only, so every process builds the same batteries.

A profile says how many cases of each battery are run: for a release, for a commit, for a mutant.
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
from client_sim.lab.programme.testbed import Testbed


@dataclass(frozen=True, slots=True)
class Profile:
    """Cases per battery, by oracle; batteries that are not named are left out.

    The first run of the first `searched` cases of each battery is searched for planted values in
    up to `layers` layers of encoding, except in the batteries `unsearched`. The search terms are
    computed for each owner.

    With `is_plain_searched` all other runs are searched for the plain values, except in cases in
    which the battery itself found something. The plain search also decodes the recording, but
    computes no digests.
    """

    sizes: Mapping[str, int]
    searched: int = 1
    layers: int = 2
    unsearched: frozenset[str] = frozenset()
    is_plain_searched: bool = False

    def only(self, oracles: Iterable[str]) -> "Profile":
        """Return the profile with these batteries only, in the sizes that a leaky client needs."""
        return replace(self, sizes={each: RARE.get(each) or self.sizes[each] for each in oracles})


RARE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "determinism": 20,  # with three parities in each, two random keys differ in some case
        "events": 40,  # each kind repeated, twice, and a phone that is offline for long
        "fleet": 4,
        "machine": 16,
        "server-state": 246,
        "faults": 40,
        "split": 1,
        "parts": 2,
        "packs": 18,  # each history of packs twice
        "holdings": 2,
        "installs": 1,
        "offers": 16,
        "crossed": 230,  # nearly every triple of conditions once
        "install-faults": 20,
        "install-state": 24,
        "timing": 12,
    }
)
"""Cases of a battery for leaky clients that only it examines, because they wait for its events."""

_ALL: Final = 10_000  # more than any battery with a fixed number of cases has: run all of them

_SIZES: Final[Mapping[str, tuple[int, int, int, int]]] = {
    # Columns: a release, a commit, a leaky client in the full matrix, a leaky client in a sample.
    "determinism": (1000, 20, 2, 2),
    "personal": (1727, 60, 6, 2),  # eight owners each
    "boundary": (_ALL, 272, 208, 208),  # `personal` also has homes in all countries
    "events": (500, 40, 8, 4),
    "machine": (100, 16, 0, 0),
    "crossed": (240, 48, 0, 0),  # every triple of conditions; every pair
    "fleet": (1143, 24, 3, 3),  # seven phones each: a thousand for each of eight kinds
    "installs": (4, 1, 0, 0),
    "offers": (96, 16, 0, 0),  # each kind of event, alone and with others
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
    "faults": (_ALL, 365, 30, 40),  # each fault in one poll and in four; each fault in one poll
    "install-faults": (116, 49, 0, 0),
    "install-state": (_ALL, 24, 0, 0),
    "sockets": (20, 2, 0, 0),
    "network": (20, 2, 0, 0),
}


def _sizes(column: int) -> Mapping[str, int]:
    return MappingProxyType({oracle: row[column] for oracle, row in _SIZES.items() if row[column]})


_LONG: Final = frozenset({"horizon", "phases"})
"""Runs of a hundred days: searching a leaky client that always sends new bytes takes seconds."""
_PACKS: Final = frozenset({"parts", "packs", "holdings"})
"""Not searched, because their phones poll as in other batteries, which are searched."""

PROFILES: Final = MappingProxyType(
    {
        # More runs than any published instrument, and the number that each claim needs.
        "full": Profile(_sizes(0), searched=4, unsearched=_PACKS, is_plain_searched=True),
        "quick": Profile(_sizes(1), unsearched=_PACKS, is_plain_searched=True),  # a minute
        "mutant": Profile(_sizes(2), unsearched=_LONG | _PACKS),
        "probe": Profile(_sizes(3), unsearched=_LONG | _PACKS),  # until two methods found it
    }
)
"""The profiles of a release, of a commit, and of the leaky clients of each."""


Make = Callable[[Testbed, int], Battery]

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
"""Batteries by oracle, in the order in which they run: cheap and informative ones first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The inputs that determine a programme: the names of a client and a profile, and a seed."""

    client: str
    profile: str
    seed: int


def make_batteries(testbed: Testbed, profile: Profile) -> tuple[Battery, ...]:
    """Make the batteries that a profile names, with its sizes."""
    return tuple(
        make(testbed, profile.sizes[oracle])
        for oracle, make in BATTERIES.items()
        if oracle in profile.sizes
    )


def profile_of(plan: Plan) -> Profile:
    """Return the profile that a plan names."""
    return PROFILES[plan.profile]
