"""Finds what differs between two versions of a role and no sentence of the review speaks of.

TUF lets every object carry members that nobody knows. What cannot be told in words must at least be
named, so that nothing is signed unseen.
"""

from collections.abc import Iterator
from typing import Any

from tuf.api.metadata import Root, Targets

# Told elsewhere, or fixed by the profile.
_TOLD = {
    *("_type", "spec_version", "consistent_snapshot", "version", "expires"),
    *("keys", "roles", "delegations", "targets", "custom"),
}
_TOLD_OF_DELEGATIONS = {"keys", "roles"}
_TOLD_OF_A_ROLE = {"keyids", "threshold", "name", "paths", "path_hash_prefixes", "terminating"}
_TOLD_OF_ROOT_CUSTOM = {"schema", "log", "lifetimes", "resets"}
_TOLD_OF_CUSTOM = {"schema", "floor", "floor_time", "reset"}
_TOLD_OF_CONTENT = {"schema", "hosts", "packs", "reset"}
_TOLD_OF_PACK = {"version", "title", "sources", "start", "end", "rollout", "withdrawn"}
_TOLD_OF_TARGET = {"length", "hashes", "custom"}


def list_unspoken(
    old: Root | Targets | None, new: Root | Targets, *, is_content: bool = False
) -> list[str]:
    """Return the names of the members that differ, sorted; `old` is None for a first version.

    `is_content` says that they are of `tables` or `content`.
    """
    before = {} if old is None else dict(_unspoken(old, is_content=is_content))
    after = dict(_unspoken(new, is_content=is_content))
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _unspoken(signed: Root | Targets, *, is_content: bool) -> Iterator[tuple[str, Any]]:
    members: dict[str, Any] = signed.to_dict()
    yield from _others("", members, _TOLD)
    custom = members.get("custom", {})
    if not isinstance(custom, dict):
        yield "custom", custom
    elif isinstance(signed, Root):
        yield from _others("custom.", custom, _TOLD_OF_ROOT_CUSTOM)
    elif is_content:
        yield from _others("custom.", custom, _TOLD_OF_CONTENT)
        for kind, pack in custom.get("packs", {}).items():
            yield from _others(f"{kind}.", pack, _TOLD_OF_PACK)
        for path, target in members["targets"].items():
            yield from _others(f"{path}.", target, _TOLD_OF_TARGET)
            yield from _others(f"{path}.custom.", target["custom"], {"schema"})
    else:
        yield from _others("custom.", custom, _TOLD_OF_CUSTOM)
    delegations = members.get("delegations", {})
    yield from _others("delegations.", delegations, _TOLD_OF_DELEGATIONS)
    if isinstance(signed, Root):
        roles = members["roles"]
    else:
        roles = {role["name"]: role for role in delegations.get("roles", [])}
    for name, role in roles.items():
        yield from _others(f"{name}.", role, _TOLD_OF_A_ROLE)


def _others(prefix: str, members: dict[str, Any], told: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in members.items():
        if name not in told:
            yield f"{prefix}{name}", value
