"""Decides the content of the first version of every offline role.

Source: docs/FORMATS.md section 2.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuf.api.metadata import DelegatedRole, Delegations, Root, Targets

from server.core.encodings import decode_canonical_json
from server.core.errors import FormatError, HeningError
from server.core.names import check_codename, role_pattern
from server.core.note import VerifierKey, decode_verifier_key
from server.core.profile import check_delegated, check_point, check_root, check_targets
from signer.ceremony.policy import MAX_EXPIRY_DAYS, Policy, choose_expiry
from signer.errors import CeremonyError, refusing
from signer.keys.public_key import PublicKey, make_tuf_key

MAX_ONLINE_KEYS = 4096
_NAMES = {"latest", "log", "snapshot", "timestamp"}


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """Public halves: 64 hex digits for each online role, and the verifier key of the log."""

    latest: str
    snapshot: str
    timestamp: str
    log: VerifierKey


def decode_online_keys(data: bytes) -> OnlineKeys:
    """Decode `public.json`; raises CeremonyError for a malformed file and for an invalid key."""
    try:
        return _decode(data)
    except HeningError as error:
        raise CeremonyError(
            f"The file of online keys cannot be used: {str(error).removesuffix('.')};"
            " give the public.json that `hening-server init` made."
        ) from error


def _decode(data: bytes) -> OnlineKeys:
    value: Any = decode_canonical_json(data, limit=MAX_ONLINE_KEYS)
    if (
        not isinstance(value, dict)
        or set(value) != {"keys", "schema"}
        or type(value["schema"]) is not int  # `true` equals 1
        or value["schema"] != 1
    ):
        raise FormatError("it is not an object with `keys` and schema 1.")
    keys = value["keys"]
    if (
        not isinstance(keys, dict)
        or set(keys) != _NAMES
        or not all(isinstance(key, str) for key in keys.values())
    ):
        raise FormatError("it must name latest, log, snapshot and timestamp.")
    for name in ("latest", "snapshot", "timestamp"):
        check_point(keys[name])
    log = decode_verifier_key(keys["log"])
    _check_distinct({**keys, "log": log.public.hex()})
    return OnlineKeys(keys["latest"], keys["snapshot"], keys["timestamp"], log)


def _check_distinct(keys: dict[str, str]) -> None:
    # Otherwise a signature of one role could be taken for that of another.
    seen: dict[str, str] = {}
    for name, public in sorted(keys.items()):
        other = seen.setdefault(public, name)
        if other != name:
            raise FormatError(f"{other} and {name} are one key.")


def check_expiry_days(roles: Collection[str], expiry_days: Mapping[str, int]) -> None:
    """Raise CeremonyError for a role that is not among `roles`, and for days out of range."""
    for role, days in expiry_days.items():
        if role not in roles:
            raise CeremonyError(
                f"{role[:64]!r} is not an offline role here; choose among {', '.join(roles)}."
            )
        if not 1 <= days <= MAX_EXPIRY_DAYS:
            raise CeremonyError(
                f"{role} cannot expire after {days} days; choose 1 to {MAX_EXPIRY_DAYS}."
            )


def number_next(
    planned: Mapping[str, Root | Targets], expiry_days: Mapping[str, int], now: datetime
) -> None:
    """Turn copies of current versions into the next ones; raises as `check_expiry_days` does."""
    check_expiry_days(tuple(planned), expiry_days)
    for role, signed in planned.items():
        signed.version += 1
        signed.expires = choose_expiry(role, expiry_days, now)


def make_delegation(role: str, keyids: Sequence[str], threshold: int) -> DelegatedRole:
    """Return the delegation to `role` in the one form that docs/FORMATS.md section 2 allows."""
    return DelegatedRole(
        role, list(keyids), threshold, terminating=True, paths=[role_pattern(role)]
    )


def plan_ceremony(
    policy: Policy, keys: Mapping[str, Sequence[PublicKey]], online: OnlineKeys, now: datetime
) -> dict[str, Root | Targets]:
    """Return version 1 of every offline role, unsigned; `keys` are the offline keys by role.

    Raises CeremonyError for a policy that names other roles, for a role with fewer keys than its
    threshold, and for everything that the profile refuses.
    """
    _check_policy(policy)
    _check_keys(policy, keys)
    _check_apart(keys, online)
    with refusing(CeremonyError):
        root = _plan_root(policy, keys, online, now)
        targets = _plan_targets(policy, keys, online, now)
        check_root(root)
        check_targets(root, targets)
        planned: dict[str, Root | Targets] = {"root": root, "targets": targets}
        for role in policy.roles[2:]:
            empty = Targets(version=1, expires=policy.expires(role, now))
            check_delegated(role, empty)
            planned[role] = empty
    return planned


def _check_policy(policy: Policy) -> None:
    if not policy.models:
        raise CeremonyError("No model is named; give at least one codename with --model.")
    if len(set(policy.models)) != len(policy.models):
        raise CeremonyError("A model is named twice; give each codename once.")
    with refusing(CeremonyError):
        for model in policy.models:
            check_codename(model)
    for role, threshold in policy.thresholds.items():
        if role not in policy.roles:
            raise CeremonyError(
                f"{role[:64]!r} is not an offline role here; choose among"
                f" {', '.join(policy.roles)}."
            )
        if threshold < 1:
            raise CeremonyError(f"{role} asks for {threshold} signatures; ask for 1 or more.")
    check_expiry_days(policy.roles, policy.expiry_days)


def _check_keys(policy: Policy, keys: Mapping[str, Sequence[PublicKey]]) -> None:
    """Raise CeremonyError if roles have too few keys; it names them and the command that helps."""
    counts = {role: len(keys.get(role, ())) for role in policy.roles}
    lacking = [role for role in policy.roles if not policy.threshold(role) <= counts[role]]
    if not lacking:
        return
    shortages = [
        f"{role} asks for {policy.threshold(role)} and has {counts[role]}" for role in lacking
    ]
    names = [
        f"{role}-{number}"
        for role in lacking
        for number in _next_numbers(keys.get(role, ()), policy.threshold(role))
    ]
    remedy = f"make them with `keys new {' '.join(names)}`"
    if lower := [f"--threshold {role}={counts[role]}" for role in lacking if counts[role]]:
        remedy += f", or ask for fewer signatures with {' '.join(lower)}"
    raise CeremonyError(f"Keys are missing: {', '.join(shortages)}; {remedy}.")


def _next_numbers(keys: Sequence[PublicKey], threshold: int) -> range:
    """Return the numbers of the keys that a role still needs to reach its threshold."""
    first = max((key.number for key in keys), default=0) + 1
    return range(first, first + threshold - len(keys))


def _check_apart(keys: Mapping[str, Sequence[PublicKey]], online: OnlineKeys) -> None:
    # Root does not list the keys of delegated roles, so the profile's check of root misses them.
    for held in keys.values():
        for key in held:
            if key.public in {online.latest, online.snapshot, online.timestamp}:
                raise CeremonyError(
                    f"{key.name} is also one of the server's keys; make a new offline key."
                )


def _plan_root(
    policy: Policy, keys: Mapping[str, Sequence[PublicKey]], online: OnlineKeys, now: datetime
) -> Root:
    root = Root(
        version=1,
        expires=policy.expires("root", now),
        consistent_snapshot=True,
        unrecognized_fields={
            "custom": {"lifetimes": policy.lifetimes, "log": str(online.log), "schema": 1}
        },
    )
    for role in ("root", "targets"):
        for key in keys[role]:
            root.add_key(key.tuf_key, role)
        root.roles[role].threshold = policy.threshold(role)
    root.add_key(make_tuf_key(online.snapshot), "snapshot")
    root.add_key(make_tuf_key(online.timestamp), "timestamp")
    return root


def _plan_targets(
    policy: Policy, keys: Mapping[str, Sequence[PublicKey]], online: OnlineKeys, now: datetime
) -> Targets:
    holders = {
        role: [key.tuf_key for key in keys[role]]
        for role in (*sorted(policy.models), "tables", "content")
    }
    holders["latest"] = [make_tuf_key(online.latest)]
    roles = {
        role: make_delegation(
            role,
            [key.keyid for key in held],
            1 if role == "latest" else policy.threshold(role),
        )
        for role, held in holders.items()
    }
    return Targets(
        version=1,
        expires=policy.expires("targets", now),
        delegations=Delegations({k.keyid: k for held in holders.values() for k in held}, roles),
    )
