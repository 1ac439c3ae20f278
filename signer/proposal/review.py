"""Describes a proposal's changes in sentences, for the holder who signs it.

Pure functions turn a verified transition into sentences. What a reader must not miss is a warning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tuf.api.metadata import Root, Targets

from server.core.content.kinds import CONTENT_ROLES
from server.core.latest import delegated_roles, list_parts
from server.core.names import is_online, is_part
from signer.keys.public_key import group_key_id
from signer.proposal.document import State
from signer.proposal.role_review import (
    describe_followed_reset,
    describe_packs,
    describe_releases,
    describe_root,
)
from signer.proposal.trust import Transition

# Members that other sentences describe, or that the profile fixes.
_REVIEWED = {
    *("_type", "spec_version", "consistent_snapshot", "version", "expires"),
    *("keys", "roles", "delegations", "targets", "custom"),
}
_REVIEWED_OF_DELEGATIONS = {"keys", "roles"}
_REVIEWED_OF_A_ROLE = {"keyids", "threshold", "name", "paths", "path_hash_prefixes", "terminating"}
_REVIEWED_OF_ROOT_CUSTOM = {"schema", "log", "lifetimes", "resets"}
_REVIEWED_OF_CUSTOM = {"schema", "floor", "floor_time", "reset"}
_REVIEWED_OF_CONTENT = {"schema", "hosts", "packs", "reset"}
_REVIEWED_OF_PACK = {"version", "title", "sources", "start", "end", "rollout", "withdrawn"}
_REVIEWED_OF_TARGET = {"length", "hashes", "custom"}


def list_unreviewed(
    old: Root | Targets | None, new: Root | Targets, *, is_content: bool = False
) -> list[str]:
    """Return the sorted names of changed members that no sentence describes.

    `old` is None for a first version. `is_content` is true for the roles `tables` and `content`.
    """
    before = {} if old is None else dict(_unreviewed(old, is_content=is_content))
    after = dict(_unreviewed(new, is_content=is_content))
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _unreviewed(signed: Root | Targets, *, is_content: bool) -> Iterator[tuple[str, Any]]:
    members: dict[str, Any] = signed.to_dict()
    yield from _others("", members, _REVIEWED)
    custom = members.get("custom", {})
    if not isinstance(custom, dict):
        yield "custom", custom
    elif isinstance(signed, Root):
        yield from _others("custom.", custom, _REVIEWED_OF_ROOT_CUSTOM)
    elif is_content:
        yield from _others("custom.", custom, _REVIEWED_OF_CONTENT)
        for kind, pack in custom.get("packs", {}).items():
            yield from _others(f"{kind}.", pack, _REVIEWED_OF_PACK)
        for path, target in members["targets"].items():
            yield from _others(f"{path}.", target, _REVIEWED_OF_TARGET)
            yield from _others(f"{path}.custom.", target["custom"], {"schema"})
    else:
        yield from _others("custom.", custom, _REVIEWED_OF_CUSTOM)
    delegations = members.get("delegations", {})
    yield from _others("delegations.", delegations, _REVIEWED_OF_DELEGATIONS)
    if isinstance(signed, Root):
        roles = members["roles"]
    else:
        roles = {role["name"]: role for role in delegations.get("roles", [])}
    for name, role in roles.items():
        yield from _others(f"{name}.", role, _REVIEWED_OF_A_ROLE)


def _others(prefix: str, members: dict[str, Any], reviewed: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in members.items():
        if name not in reviewed:
            yield f"{prefix}{name}", value


SOON = timedelta(days=7)
# Twice the usual lifetime.
LONG, LONG_FOR_OTHERS = {"root": timedelta(days=730)}, timedelta(days=180)
RENEWAL = "Only the expiry changes."
SPLIT_WARNING = (
    "It cannot be taken back, and every phone shows its part to the network from then on."
)
ONE_SIGNATURE_OF_TABLES = (
    "One signature is enough for tables: a thief of one of its keys decides which certificates and"
    " emergency numbers all phones use. Ask for two, with `ceremony holders --threshold tables=2`."
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class RoleReview:
    """The review of one role: its new version and expiry, its signers, its changes.

    `replaces` is 0 for a role that is new.
    """

    role: str
    version: int
    replaces: int
    expires: datetime
    signatures: str
    changes: tuple[str, ...]
    warnings: tuple[str, ...]


def review_transition(
    transition: Transition, names: Mapping[str, str], now: datetime
) -> list[RoleReview]:
    """Return a review of each role in `transition`; `names` maps key ids to names."""
    return [_review_role(transition, role, names, now) for role in transition.new]


def count(number: int, noun: str) -> str:
    """Return a number and its noun, such as `two keys`; numbers up to nine are words."""
    text = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{text} {noun}{'' if number == 1 else 's'}"


def _review_role(
    transition: Transition, role: str, names: Mapping[str, str], now: datetime
) -> RoleReview:
    before, after = transition.before, transition.after
    old = None if before is None else before.role(role)
    old_targets = old if isinstance(old, Targets) else None
    new = transition.new[role].signed
    if isinstance(new, Root):
        delegated = ["root", "targets", "snapshot", "timestamp"]
        old_root = old if isinstance(old, Root) else None
        changes, warnings = _review_keys(old_root, new, delegated, names)
        changes += describe_root(old_root, new)
    elif role == "targets":
        # By the profile, the keys of latest sign its parts, too.
        delegated = [name for name in delegated_roles(new) if not is_part(name)]
        changes, warnings = _review_keys(old_targets, new, delegated, names)
        split = _review_split(old_targets, new)
        changes += split
        warnings += [SPLIT_WARNING] if split else []
    elif role in CONTENT_ROLES:
        changes, warnings = describe_packs(role, old_targets, new)
        if role == "tables" and after.delegator(role).get_delegated_role(role).threshold < 2:
            warnings.append(ONE_SIGNATURE_OF_TABLES)
    else:
        changes, warnings = describe_releases(old_targets, new)
    if isinstance(new, Targets):
        changes += describe_followed_reset(old_targets, new)
    if others := list_unreviewed(old, new, is_content=role in CONTENT_ROLES):
        changes.append(f"Changes members that this version cannot describe: {', '.join(others)}.")
        warnings.append("Ask for their meaning before you sign, or read them in the file.")
    if new.expires - now > LONG.get(role, LONG_FOR_OTHERS):
        days = (new.expires - now).days
        warnings.append(f"A thief of online keys could keep phones on it for {days} days.")
    if old is not None and new.expires < old.expires:
        warnings.append(f"It expires sooner than version {old.version} did.")
    if new.expires - now < SOON:
        warnings.append("It expires within a week.")
    return RoleReview(
        role,
        new.version,
        0 if old is None else old.version,
        new.expires,
        _describe_signers(role, before, after, names),
        tuple(changes) or (RENEWAL if old is not None else "It lists nothing yet.",),
        tuple(warnings),
    )


def _describe_signers(
    role: str, before: State | None, after: State, names: Mapping[str, str]
) -> str:
    text = _describe_delegation(after.delegator(role), role, names)
    if role == "root" and before is not None:
        old = _describe_delegation(before.root, "root", names)
        if old != text:
            return f"{old}, and {text}"
    return text


def _describe_delegation(delegator: Any, role: str, names: Mapping[str, str]) -> str:  # noqa: ANN401
    delegation = delegator.get_delegated_role(role)
    holders = ", ".join(_name(keyid, names) for keyid in delegation.keyids)
    return f"{delegation.threshold} of {holders}"


def _name(keyid: str, names: Mapping[str, str]) -> str:
    return names.get(keyid, f"key {keyid[:16]}")


def _describe_new_key(keyid: str, names: Mapping[str, str]) -> str:
    """Describe a new key with its id, which its holder can read aloud for comparison."""
    name = f"{names[keyid]}, " if keyid in names else ""
    return f"{name}key id {group_key_id(keyid)},"


def _review_keys(
    old: Root | Targets | None, new: Root | Targets, roles: list[str], names: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    changes: list[str] = []
    warnings: list[str] = []
    for role in roles:
        after = new.get_delegated_role(role)
        try:
            before = None if old is None else old.get_delegated_role(role)
        except ValueError:  # python-tuf raises it for an unknown role
            before = None
        had = [] if before is None else before.keyids
        added = [_describe_new_key(key, names) for key in after.keyids if key not in had]
        removed = [_name(key, names) for key in had if key not in after.keyids]
        same_threshold = before is not None and before.threshold == after.threshold
        if not added and not removed and same_threshold:
            continue
        parts = [f"adds {' and '.join(added)} to {role}"] if added else []
        if removed:
            parts.append(f"removes {', '.join(removed)} from {role}")
        if before is not None and not same_threshold:
            parts.append(
                f"asks for {after.threshold} instead of {before.threshold} signatures of {role}"
            )
        sentence = "; ".join(parts)
        consequence = _consequence(after.threshold, len(after.keyids))
        changes.append(f"{sentence[:1].upper()}{sentence[1:]}; {consequence}.")
        fell = before is not None and after.threshold < before.threshold
        warnings += _warn_of(role, after.threshold, len(after.keyids), fell=fell)
    return changes, warnings


def _consequence(threshold: int, keys: int) -> str:
    if keys == 1:
        return "from then on one signature is enough, by its only key"
    if threshold == 1:
        return f"from then on one signature is enough, by any of {count(keys, 'key')}"
    if threshold == keys:
        return f"from then on {'both keys' if keys == 2 else f'all {keys} keys'} must sign"
    return f"from then on {count(threshold, 'signature')} of {count(keys, 'key')} are enough"


def _warn_of(role: str, threshold: int, keys: int, *, fell: bool) -> list[str]:
    if is_online(role):
        return []
    warnings = []
    if threshold == keys and role == "root":
        warnings.append(
            "If a key of root is lost, root can never be changed again; phones then need a new ROM."
        )
    elif threshold == keys > 1:
        above = "root" if role == "targets" else "targets"
        warnings.append(f"If a key of {role} is lost, {role} is stuck until {above} names another.")
    if fell and threshold == 1:
        warnings.append(f"A thief of one key of {role} can sign it alone from then on.")
    return warnings


def _review_split(old: Targets | None, new: Targets) -> list[str]:
    parts = len(list_parts(delegated_roles(new)))
    if parts == (1 if old is None else len(list_parts(delegated_roles(old)))):
        return []
    return [
        f"Splits latest into {parts} parts: a phone fetches, and shows, the one with its channel."
    ]
