"""Reads a pointer: the newest build of a model, region and channel (FORMATS section 4)."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from client_sim.device.errors import PointerError, ProfileError
from client_sim.device.release import (
    REGION,
    SHA256,
    Members,
    is_codename,
    is_package_path,
    read_members,
)

if TYPE_CHECKING:
    from tuf.api.metadata import DelegatedRole


@dataclass(frozen=True, slots=True)
class PackageLink:
    """One package of a step; `source_builds` is empty for a full one."""

    path: str
    length: int
    sha256: str
    source_builds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One build on the upgrade path; the full package is the first of its `packages`."""

    counter: int
    post_timestamp: int
    security_patch_level: str
    min_counter: int
    packages: tuple[PackageLink, ...]


@dataclass(frozen=True, slots=True)
class Pointer:
    """The upgrade path to the newest build and its rollout; `steps` has at least one."""

    codename: str
    region: str
    channel: str
    steps: tuple[Step, ...]
    schedule: tuple[tuple[int, int], ...]
    paused: bool
    halted: bool
    reason: Mapping[str, str]


def permille_at(schedule: tuple[tuple[int, int], ...], now: float) -> int:
    """Return how many of a thousand phones are admitted at `now`, 0 to 1000."""
    reached = 0
    for start, permille in schedule:
        if start <= now:
            reached = permille
    return reached


def bucket(secret: bytes, codename: str, region: str, channel: str, counter: int) -> int:
    """Return this phone's bucket, 0 to 999, for the release `counter`."""
    message = "\0".join((codename, region, channel, str(counter))).encode("ascii")
    digest = hmac.digest(secret, message, hashlib.sha256)
    return int.from_bytes(digest[:8], "big") % 1000


def decode_pointer(name: str, custom: object) -> Pointer:
    """Decode the `custom` object of the target `name`, `latest/CODENAME/REGION/CHANNEL`.

    Raises PointerError, also for a path that leads into another model, region or channel.
    """
    parts = name.split("/")
    if (
        len(parts) != 4
        or parts[0] != "latest"
        or not is_codename(parts[1])
        or not REGION.fullmatch(parts[2])
        or not REGION.fullmatch(parts[3])
    ):
        raise PointerError("A pointer has an invalid name, so it is not used.")
    _, codename, region, channel = parts
    members = read_members(f"The pointer {name}", PointerError, custom)
    members.schema("v")
    steps = tuple(
        _decode_step(f"{codename}/{region}/{channel}/", item) for item in members.items("s", 1, 8)
    )
    counters = [step.counter for step in steps]
    if any(after <= before for before, after in itertools.pairwise(counters)):
        raise members.fail("s")
    return Pointer(
        codename=codename,
        region=region,
        channel=channel,
        steps=steps,
        schedule=_decode_schedule(members),
        paused=members.boolean("p"),
        halted=members.boolean("h"),
        reason=members.locales("t", 500),
    )


def _decode_schedule(members: Members) -> tuple[tuple[int, int], ...]:
    pairs: list[tuple[int, int]] = []
    for item in members.items("r", 1, 16):
        if not isinstance(item, list) or len(item) != 2:
            raise members.fail("r")
        pair = Members(members.subject, members.error, {"r": item[0], "permille": item[1]})
        start, permille = pair.integer("r"), pair.integer("permille", highest=1000)
        if pairs and (start <= pairs[-1][0] or permille < pairs[-1][1]):
            raise members.fail("r")
        pairs.append((start, permille))
    return tuple(pairs)


def _decode_step(prefix: str, value: object) -> Step:
    members = read_members("A step of a pointer", PointerError, value)
    packages = tuple(_decode_link(prefix, item) for item in members.items("k", 1, 3))
    if packages[0].source_builds or not all(link.source_builds for link in packages[1:]):
        raise members.fail("k")
    counter = members.integer("n", lowest=1)
    return Step(
        counter=counter,
        post_timestamp=members.integer("t"),
        security_patch_level=members.date("l"),
        min_counter=members.integer("m", highest=counter - 1),
        packages=packages,
    )


def _decode_link(prefix: str, value: object) -> PackageLink:
    members = read_members("A package of a pointer", PointerError, value)
    path = members.word("p", 256)
    sha256 = members.word("x", 64)
    if not is_package_path(path):
        raise members.fail("p")
    if not path.startswith(prefix):
        channel = prefix.removesuffix("/")
        raise PointerError(f"The pointer of {channel} offers {path}, which is not its own.")
    if not SHA256.fullmatch(sha256):
        raise members.fail("x")
    return PackageLink(
        path=path,
        length=members.integer("z", lowest=1),
        sha256=sha256,
        source_builds=members.fingerprints("b"),
    )


_PART: Final = re.compile(r"latest-[0-9a-f]")
_DIGITS: Final = "0123456789abcdef"
_DIGITS_EACH: Final = {4: 4, 16: 1}
"""The number of leading hash digits that each part holds, by the number of parts."""


def is_part(name: str) -> bool:
    """Tell whether `name` is the name of a part of `latest`."""
    return _PART.fullmatch(name) is not None


def check_parts(roles: Mapping[str, DelegatedRole]) -> None:
    """Check that `latest` is whole, or split into 4 or 16 parts; raises ProfileError."""
    names = list(roles)
    parts = [name for name in names if is_part(name)]
    if not parts:
        return
    each = _DIGITS_EACH.get(len(parts))
    expected = [f"latest-{digit}" for digit in _DIGITS[: len(parts)]]
    if each is None or names[-len(parts) - 1 :] != [*expected, "latest"]:
        raise ProfileError("The delegations do not end with 4 or 16 parts of latest, and latest.")
    for index, name in enumerate(parts):
        role, latest = roles[name], roles["latest"]
        digits = list(_DIGITS[index * each : (index + 1) * each])
        if not role.terminating or role.paths is not None or role.path_hash_prefixes != digits:
            raise ProfileError(f"The role {name} is not delegated as FORMATS section 2 says.")
        if (role.keyids, role.threshold) != (latest.keyids, latest.threshold):
            raise ProfileError(f"The role {name} has other signers than latest.")


def find_pointer_role(roles: Mapping[str, DelegatedRole], pointer: str) -> str:
    """Return the role in which TUF finds the target `pointer`: the first one that may hold it."""
    for name, role in roles.items():
        if (name == "latest" or is_part(name)) and role.is_delegated_path(pointer):
            return name
    return "latest"
