"""Decides which roles are signed again only because they expire."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuf.api.metadata import Root, Targets

from signer.ceremony.plan import check_expiry_days
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError


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
    """Return the next version of each role in `names`, which says what the current one says.

    Raises CeremonyError for a name that is not in `roles`, and where the default would let a role
    expire sooner than it does; `expiry_days` may.
    """
    check_expiry_days(tuple(roles), expiry_days)
    for role in sorted(expiry_days.keys() - set(names)):
        raise CeremonyError(f"{role} is not renewed here; leave --expires {role}=DAYS away.")
    if not names:
        raise CeremonyError("No role is to be renewed; name roles, or give --all or --within DAYS.")
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
                f" say so with --expires {name}=DAYS."
            )
        planned[name] = renewed
    return planned
