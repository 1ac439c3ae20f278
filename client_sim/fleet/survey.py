"""Finds the groups of phones that a server can have, from its signed metadata."""

import json
from dataclasses import dataclass
from typing import Any, Final

from client_sim.device.errors import DeviceError
from client_sim.device.pointer import Pointer
from client_sim.device.refresh import refresh, refresh_codename
from client_sim.device.release import pointer_name
from client_sim.device.trust import Trust
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.population import Group
from client_sim.fleet.response_learner import FACTORY, PROBE, make_world
from client_sim.fleet.target import Target
from client_sim.transport import Connection
from client_sim.world import BuildFacts

_PROBES: Final = 2_000  # placeholder names to try, so that each part of `latest` is found
_BUILDS: Final = 200  # maximum builds that the phones of a group run; the newest are used


@dataclass(frozen=True, slots=True)
class Survey:
    """The groups of a server, the pointer of each, and the stores of phones that have just polled.

    `vaults` has the stores by the role that holds the pointers: `latest` or its parts.
    """

    groups: tuple[Group, ...]
    pointers: tuple[Pointer, ...]
    vaults: dict[str, dict[str, bytes]]


def survey(target: Target, now: float) -> Survey:
    """Query the server once for the fleet, before any phone polls.

    Raises EnvironmentFailedError if the server cannot be polled or offers no build.
    """
    try:
        return _survey(target, now)
    except DeviceError as error:
        raise EnvironmentFailedError(
            f"{target.host}:{target.port} cannot be polled: {error}"
        ) from error


def _survey(target: Target, now: float) -> Survey:
    vaults: dict[str, dict[str, bytes]] = {}
    trusts: dict[str, Trust] = {}
    for probe in range(_PROBES):
        vault: dict[str, bytes] = {}
        name = pointer_name(f"probe{probe}", "x", "x")
        if trusts:
            any_trust = next(iter(trusts.values()))
            if any_trust.pointer_role(name) in vaults:
                continue
        trust = Trust(target.root, vault, now=now, built_at=0)
        with Connection(make_world(target, PROBE, vault, now)) as connection:
            refresh(connection, trust, name)
        holder = trust.pointer_role(name)
        vaults[holder], trusts[holder] = vault, trust
    codenames: dict[str, list[tuple[str, BuildFacts]]] = {}
    groups: list[Group] = []
    pointers: list[Pointer] = []
    for holder, vault in vaults.items():
        for path in _targets(vault.get(f"role.{holder}")):
            _, codename, region, channel = path.split("/")
            pointer = trusts[holder].find_pointer(codename, region, channel)
            if pointer is None:
                continue
            if codename not in codenames:
                codenames[codename] = _builds(target, vault, trusts[holder], codename, now)
            builds = _choose_builds(pointer, codenames[codename])
            built_at = builds[0].post_timestamp
            groups.append(Group(codename, region, channel, builds, built_at, holder))
            pointers.append(pointer)
    if not groups:
        raise EnvironmentFailedError("The server announces no build; offer one first.")
    return Survey(tuple(groups), tuple(pointers), vaults)


def _builds(
    target: Target, vault: dict[str, bytes], trust: Trust, codename: str, now: float
) -> list[tuple[str, BuildFacts]]:
    """Return the folder and the build of every release of a model."""
    with Connection(make_world(target, PROBE, vault, now)) as connection:
        # Phones start without the codename role, so the vault is restored after the fetch.
        before = dict(vault)
        refresh_codename(connection, trust, codename)
        data = vault.get(f"role.{codename}")
        vault.clear()
        vault.update(before)
    found = []
    for path in _targets(data):
        release = trust.find_release(path).release
        if not release.withdrawn:
            found.append((path.rpartition("/")[0], release.build))
    return found


def _choose_builds(
    pointer: Pointer, builds: list[tuple[str, BuildFacts]]
) -> tuple[BuildFacts, ...]:
    folder = f"{pointer.codename}/{pointer.region}/{pointer.channel}"
    final = pointer.steps[-1].counter
    known = {
        build.counter: build
        for place, build in builds
        if place == folder and build.counter <= final
    }
    chosen = tuple(known[counter] for counter in sorted(known))[-_BUILDS:]
    return chosen if len(chosen) > 1 else (FACTORY, *chosen)


def _targets(data: bytes | None) -> list[str]:
    """Return the sorted target paths of a verified role."""
    if data is None:
        return []
    signed: dict[str, Any] = json.loads(data)["signed"]
    return sorted(signed["targets"])
