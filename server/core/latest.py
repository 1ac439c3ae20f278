"""Splits `latest` into 4 or 16 roles, by the first hex digit of the hash of a pointer's path.

A part is named `latest-` and a hex digit. Each of 4 parts holds four digits, each of 16 parts one,
so the first four names stay when 4 parts become 16. After a split `latest` stays as an empty role
after its parts, because a published role is never dropped. Source: docs/FORMATS.md section 2, TUF
4.5.
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
    """Return the hash prefixes of each of 4 or 16 parts, by the part's name."""
    share = len(_DIGITS) // parts
    return {
        f"latest-{_DIGITS[part]}": tuple(_DIGITS[part * share : (part + 1) * share])
        for part in range(parts)
    }


def list_parts(roles: Iterable[str]) -> list[str]:
    """Return the roles among `roles` that hold pointers: the parts, or `latest` without parts."""
    parts = sorted(filter(is_part, roles))
    return parts or ["latest"]


def pointer_role(path: str, parts: int) -> str:
    """Return the role that lists the pointer `path` if `latest` has 1, 4 or 16 `parts`."""
    if parts == 1:
        return "latest"
    digit = hashlib.sha256(path.encode()).hexdigest()[0]
    return f"latest-{_DIGITS[_DIGITS.index(digit) * parts // len(_DIGITS)]}"


def assign_pointers(paths: Iterable[str], delegated: Iterable[str]) -> dict[str, list[str]]:
    """Return the pointer paths of each delegated role that holds or held pointers.

    A split `latest` is included, without paths.
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

    The keys of `latest` sign its parts. Raises ReleaseError if `latest` has as many parts already,
    or more: a published role is never dropped, so a split is permanent.
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
    others = {name: role for name, role in roles.items() if not is_latest(name)}
    split = {
        name: _delegate(name, prefixes, whole) for name, prefixes in part_prefixes(parts).items()
    }
    planned.delegations.roles = {**others, **split, "latest": whole}
    return planned


def _delegate(name: str, prefixes: tuple[str, ...], whole: DelegatedRole) -> DelegatedRole:
    return DelegatedRole(
        name, list(whole.keyids), whole.threshold, terminating=True, path_hash_prefixes=[*prefixes]
    )
