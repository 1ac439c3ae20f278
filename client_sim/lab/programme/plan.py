"""What a programme consists of, from its name alone: so that every process builds the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.lab.programme.batteries import (
    crossed,
    fleet,
    installs,
    machines,
    offers,
    packs,
    personal,
    servers,
    sockets,
    timing,
)
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.ground import Ground, plan_ground
from client_sim.lab.programme.profile import PROFILES, Profile
from client_sim.world import Factory

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
    "installs": installs.installs,
    "offers": offers.offers,
    "split": fleet.split,
    "timing": timing.timing,
    "stationarity": timing.stationarity,
    "server-state": servers.server_state,
    "parts": packs.parts,
    "packs": packs.packs,
    "holdings": packs.holdings,
    "faults": servers.faults,
    "install-faults": installs.install_faults,
    "install-state": installs.install_state,
    "horizon": personal.horizon,
    "phases": timing.phases,
    "sockets": sockets.sockets,
    "network": sockets.network,
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
