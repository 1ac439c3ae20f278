"""Decisions of a ROM's engineers: the threshold of each role, and its lifetime."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from signer.keys.key_name import OFFLINE_COMMON_ROLES

DEFAULT_THRESHOLDS = {"root": 2, "targets": 2, "tables": 2, "content": 1}
DEFAULT_EXPIRY_DAYS = {"root": 365}
MODEL_THRESHOLD, ROLE_EXPIRY_DAYS, MAX_EXPIRY_DAYS = 1, 90, 3650
LIFETIME_DAYS = 365  # the limit in a first root, unless a role is to be valid for longer


@dataclass(frozen=True, slots=True)
class Policy:
    """The engineers' decisions: models, and differences from the defaults by role."""

    models: tuple[str, ...]
    thresholds: Mapping[str, int] = field(default_factory=dict)
    expiry_days: Mapping[str, int] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """Every offline role, in the order in which the ceremony signs."""
        return (*OFFLINE_COMMON_ROLES, *self.models)

    def threshold(self, role: str) -> int:
        """Return the number of signatures that `role` needs."""
        return self.thresholds.get(role, DEFAULT_THRESHOLDS.get(role, MODEL_THRESHOLD))

    @property
    def lifetimes(self) -> dict[str, int]:
        """The lifetime limits that root will state: days by kind of role."""
        common = {role: (role,) for role in ("content", "tables", "targets")}
        return {
            kind: max(LIFETIME_DAYS, *(self.expiry_days.get(role, 0) for role in roles))
            for kind, roles in {"codenames": self.models, **common}.items()
        }

    def expires(self, role: str, now: datetime) -> datetime:
        """Return when the first version of `role` expires."""
        return choose_expiry(role, self.expiry_days, now)


def choose_expiry(role: str, expiry_days: Mapping[str, int], now: datetime) -> datetime:
    """Return when a new version of `role` expires: after the days given for it, or the default."""
    return expiry(now, expiry_days.get(role, DEFAULT_EXPIRY_DAYS.get(role, ROLE_EXPIRY_DAYS)))


def expiry(now: datetime, days: int) -> datetime:
    """Return the moment `days` after `now`, in whole seconds as TUF writes them."""
    return (now + timedelta(days=days)).replace(microsecond=0)
