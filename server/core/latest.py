"""How `latest` is split: into 4 or 16 roles, by the first hex digit of a pointer path's hash.

A part is called `latest-` and one hex digit. Of 4 parts each holds four digits, of 16 one, so the
first four keep their names when 4 become 16. Once `latest` is split it stays as an empty role after
its parts: a published role is never dropped. Source: docs/FORMATS.md section 2, TUF 4.5.
"""

import hashlib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import datetime

from tuf.api.metadata import DelegatedRole, Targets

from server.core.errors import ReleaseError
from server.core.names import is_latest, is_part

SPLITS = (4, 16)
_DIGITS = "0123456789abcdef"


def part_prefixes(parts: int) -> dict[str, tuple[str, ...]]:
    """Return the first digits of the hashes that each of 4 or 16 parts holds, by its name."""
    share = len(_DIGITS) // parts
    return {
        f"latest-{_DIGITS[part]}": tuple(_DIGITS[part * share : (part + 1) * share])
        for part in range(parts)
    }


def list_parts(roles: Iterable[str]) -> list[str]:
    """Return those of `roles` that hold pointers: the parts, or `latest` where there is none."""
    parts = sorted(filter(is_part, roles))
    return parts or ["latest"]


def pointer_role(path: str, parts: int) -> str:
    """Return the role that lists the pointer `path`, where `latest` has 1, 4 or 16 parts."""
    if parts == 1:
        return "latest"
    digit = hashlib.sha256(path.encode()).hexdigest()[0]
    return f"latest-{_DIGITS[_DIGITS.index(digit) * parts // len(_DIGITS)]}"


def assign_pointers(paths: Iterable[str], delegated: Iterable[str]) -> dict[str, list[str]]:
    """Return the pointer paths of each role that is delegated and holds or held pointers.

    A split `latest` is among them, without any.
    """
    roles = list_parts(delegated)
    assigned: dict[str, list[str]] = {"latest": [], **{role: [] for role in roles}}
    for path in sorted(paths):
        assigned[pointer_role(path, len(roles))].append(path)
    return assigned


def delegated_roles(targets: Targets) -> Mapping[str, DelegatedRole]:
    """Return the delegations of `targets` by role, in the client's search order."""
    delegations = targets.delegations
    return {} if delegations is None or delegations.roles is None else delegations.roles


def plan_split(targets: Targets, parts: int, expires: datetime) -> Targets:
    """Return the version after `targets` that splits `latest` into `parts`, with the given expiry.

    The parts are signed by the keys of `latest`. Raises ReleaseError where it has as many parts
    already, or more: a published role is never dropped, so a split is permanent.
    """
    before = len(list_parts(delegated_roles(targets)))
    if parts not in SPLITS:
        raise ReleaseError("latest can be split into 4 or 16 parts.")
    if before >= parts:
        raise ReleaseError(
            f"latest has {before} parts, and a published role is never dropped: it can only be"
            " split further."
        )
    planned = deepcopy(targets)
    planned.version += 1
    planned.expires = expires
    assert planned.delegations is not None
    roles = dict(delegated_roles(planned))
    whole = roles.pop("latest")
    kept = {name: role for name, role in roles.items() if not is_latest(name)}
    split = {
        name: _delegate(name, prefixes, whole) for name, prefixes in part_prefixes(parts).items()
    }
    planned.delegations.roles = {**kept, **split, "latest": whole}
    return planned


def _delegate(name: str, prefixes: tuple[str, ...], whole: DelegatedRole) -> DelegatedRole:
    return DelegatedRole(
        name, list(whole.keyids), whole.threshold, terminating=True, path_hash_prefixes=[*prefixes]
    )
