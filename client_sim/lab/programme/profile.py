"""How much of each battery is run: for a release, for a commit, for one mutant."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """Cases per battery, by its oracle; batteries that are not named are left out.

    The first run of the first `searched` cases of each battery is searched for planted values,
    `layers` deep: what is searched for is computed anew for each owner.
    """

    name: str
    sizes: Mapping[str, int]
    searched: int
    layers: int


def _profile(name: str, searched: int, layers: int, **sizes: int) -> Profile:
    named = {oracle.replace("_", "-"): size for oracle, size in sizes.items()}
    return Profile(name, MappingProxyType(named), searched, layers)


FULL: Final = _profile(
    "full",
    10,
    3,
    determinism=1000,
    personal=13_900,
    boundary=1000,
    events=500,
    fleet=1150,
    downloads=50,
    split=24,
    public=200,
    horizon=6,
    phases=10,
    server_state=10_000,
    timing=200,
    stationarity=50,
    faults=10_000,
    sockets=20,
    network=20,
)
"""For each release: more runs than any published instrument, and every claim's own number."""

QUICK: Final = _profile(
    "quick",
    1,
    2,
    determinism=20,
    personal=500,
    boundary=1000,
    events=40,
    fleet=40,
    downloads=4,
    split=4,
    public=24,
    horizon=2,
    phases=1,
    server_state=10_000,
    timing=20,
    stationarity=4,
    faults=10_000,
    sockets=2,
    network=2,
)
"""For each commit: a minute."""

MUTANT: Final = _profile(
    "mutant",
    1,
    2,
    determinism=2,
    personal=20,
    boundary=208,
    events=8,
    fleet=3,
    downloads=1,
    public=12,
    horizon=2,
    phases=1,
    server_state=122,
    timing=8,
    stationarity=2,
    faults=30,
)
"""For each leaky client of the library, in the full programme."""

PROBE: Final = _profile(
    "probe",
    1,
    2,
    determinism=2,
    personal=8,
    boundary=208,
    events=4,
    fleet=3,
    downloads=1,
    public=12,
    horizon=2,
    phases=1,
    server_state=122,
    timing=8,
    stationarity=1,
    faults=40,
)
"""For each leaky client at each commit: until two have found it."""

PROFILES: Final = MappingProxyType({p.name: p for p in (FULL, QUICK, MUTANT, PROBE)})
