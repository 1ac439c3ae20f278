"""Plans the changes that only root can make: lifetime limits, and resets after a key theft.

Pure functions. Source: docs/FORMATS.md section 16.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from tuf.api.metadata import Root, Targets

from server.core.content.kinds import CONTENT_ROLES
from server.core.limits import (
    MAX_LIFETIME_DAYS,
    SKEW,
    Lifetimes,
    Reset,
    apply_reset,
    check_lifetimes,
    decode_lifetimes,
    decode_resets,
)
from server.core.names import is_codename
from server.core.release import decode_floor, decode_releases
from signer.ceremony.changes import HolderChange, plan_holders
from signer.ceremony.plan import check_expiry_days
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError, refusing
from signer.signing import SignedRole


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """A reset of a role, and the part of the role that stays valid.

    For a model, `counter` is the highest honest counter, and `time` the latest honest time in epoch
    seconds. For `tables` and `content` both are None, and `restored` is the version whose packs are
    listed again, if any. `holders` is the change of keys that goes with the reset.
    """

    role: str
    counter: int | None
    time: int | None
    restored: Targets | None
    holders: HolderChange


def plan_lifetimes(
    root: Root, roles: Mapping[str, Targets], days: Mapping[str, int], now: datetime
) -> dict[str, Root | Targets]:
    """Return the next root, with new limits on the lifetimes of roles.

    `days` are by kind: `codenames`, `content`, `tables`, `targets`. Raises CeremonyError for a
    limit out of range, when nothing changes, and when one of the current `roles` exceeds a limit.
    """
    for kind, number in days.items():
        if kind not in Lifetimes.__struct_fields__ or not 1 <= number <= MAX_LIFETIME_DAYS:
            raise CeremonyError(
                f"{kind[:64]!r} cannot be limited to {number} days; limit"
                f" {', '.join(Lifetimes.__struct_fields__)} to 1 to {MAX_LIFETIME_DAYS}."
            )
    with refusing(CeremonyError):
        lifetimes = {**msgspec.to_builtins(decode_lifetimes(root)), **days}
        planned = _next_root(root, {"lifetimes": lifetimes}, now)
        if planned.unrecognized_fields == root.unrecognized_fields:
            raise CeremonyError("These lifetimes are in force already; nothing would change.")
        check_lifetimes(planned, roles, now)
    return {"root": planned}


def latest_time(role: Targets, now: datetime) -> int:
    """Return the time to reset a model to, in epoch seconds: no accepted build is later.

    That is `now`, or the latest listed date within the skew that phones allow, if that is later.
    Raises CeremonyError for a malformed role.
    """
    with refusing(CeremonyError):
        listed = [release.post_timestamp for release in decode_releases(role).values()]
    skew = int((now + SKEW).timestamp())
    return max([int(now.timestamp()), *(time for time in listed if time <= skew)])


def plan_reset(
    request: ResetRequest, root: Root, roles: Mapping[str, SignedRole], now: datetime
) -> dict[str, Root | Targets]:
    """Return the next root with a reset, the next version of the reset role, and targets.

    `roles` has targets and the role. Targets changes only if `request.holders` changes keys. Raises
    CeremonyError for a request that does not fit the role.
    """
    _check_request(request)
    _check_counter(request, roles[request.role].signed)
    days = request.holders.expiry_days
    holders = replace(request.holders, expiry_days={})
    planned = plan_holders(holders, root, roles, now) if holders.roles else {}
    with refusing(CeremonyError):
        resets = decode_resets(root)
        number = resets[request.role].number + 1 if request.role in resets else 1
        resets[request.role] = Reset(number, request.counter, request.time)
        next_role = apply_reset(request.role, roles[request.role].signed, resets)
    if request.restored is not None:
        next_role = _restore_packs(next_role, request.restored)
    next_role.version += 1
    edited = planned.get("root")
    base = edited if isinstance(edited, Root) else root
    stated = {"resets": {name: msgspec.to_builtins(resets[name]) for name in sorted(resets)}}
    planned |= {"root": _next_root(base, stated, now), request.role: next_role}
    planned["root"].version = root.version + 1
    check_expiry_days(tuple(planned), days)
    for role, signed in planned.items():
        signed.expires = choose_expiry(role, days, now)
    return planned


def _check_request(request: ResetRequest) -> None:
    if is_codename(request.role):
        if request.counter is None or request.time is None or request.restored is not None:
            raise CeremonyError(
                f"A reset of {request.role} says which builds still count: give --counter, the"
                " highest one that you signed yourselves."
            )
    elif request.role not in CONTENT_ROLES:
        raise CeremonyError(f"{request.role} has no resets; name a model, tables or content.")
    elif request.counter is not None or request.time is not None:
        raise CeremonyError(f"{request.role} has no counters; omit --counter and --time.")


def _check_counter(request: ResetRequest, role: Targets) -> None:
    """Raise CeremonyError for a counter that no build ever had: phones would accept it as valid."""
    if request.counter is None:
        return
    with refusing(CeremonyError):
        listed = [release.counter for release in decode_releases(role).values()]
        highest = max([*listed, decode_floor(role).counter - 1, 0])
    if request.counter > highest:
        raise CeremonyError(
            f"{request.role} lists no counter above {highest}; give --counter {highest}, or the"
            " highest one that you signed yourselves."
        )


def _restore_packs(next_role: Targets, restored: Targets) -> Targets:
    """Return a role that lists the packs of an earlier version, each as its version 1."""
    custom = restored.unrecognized_fields.get("custom", {})
    packs = {
        kind: {**pack, "version": 1, "withdrawn": []}
        for kind, pack in custom.get("packs", {}).items()
    }
    members = {
        **next_role.unrecognized_fields["custom"],
        "hosts": custom.get("hosts", []),
        "packs": packs,
    }
    return Targets(
        version=next_role.version,
        expires=next_role.expires,
        targets=dict(restored.targets),
        unrecognized_fields={**next_role.unrecognized_fields, "custom": members},
    )


def _next_root(root: Root, members: Mapping[str, object], now: datetime) -> Root:
    planned = deepcopy(root)
    planned.version += 1
    planned.expires = choose_expiry("root", {}, now)
    custom = {**planned.unrecognized_fields["custom"], **members}
    planned.unrecognized_fields["custom"] = {name: custom[name] for name in sorted(custom)}
    return planned


@dataclass(frozen=True, slots=True)
class Expiry:
    """When the current version of a role expires."""

    role: str
    version: int
    expires: datetime

    def days_left(self, now: datetime) -> int:
        """Return the whole days until the expiry, negative after it."""
        return (self.expires - now) // timedelta(days=1)


def list_expiries(roles: Mapping[str, Root | Targets]) -> list[Expiry]:
    """Return when each role expires, the soonest first."""
    found = [Expiry(role, signed.version, signed.expires) for role, signed in roles.items()]
    return sorted(found, key=lambda expiry: (expiry.expires, expiry.role))


def plan_renewal(
    names: Sequence[str],
    roles: Mapping[str, Root | Targets],
    expiry_days: Mapping[str, int],
    now: datetime,
) -> dict[str, Root | Targets]:
    """Return the next version of each role in `names`, with the content of the current one.

    Raises CeremonyError for a name that is not in `roles`, and if a default lifetime would make a
    role expire sooner than it does now; a lifetime in `expiry_days` may do so.
    """
    check_expiry_days(tuple(roles), expiry_days)
    for role in sorted(expiry_days.keys() - set(names)):
        raise CeremonyError(f"{role} is not renewed here; omit --expires {role}=DAYS.")
    if not names:
        raise CeremonyError("No role is given; name roles, or give --all or --within DAYS.")
    planned = {}
    for name in names:
        if name not in roles:
            raise CeremonyError(f"There is no role {name} here; choose among {', '.join(roles)}.")
        renewed = deepcopy(roles[name])
        renewed.version += 1
        renewed.expires = choose_expiry(name, expiry_days, now)
        if name not in expiry_days and renewed.expires < roles[name].expires:
            raise CeremonyError(
                f"{name} would expire on {renewed.expires:%Y-%m-%d}, sooner than it does already;"
                f" confirm that with --expires {name}=DAYS."
            )
        planned[name] = renewed
    return planned
