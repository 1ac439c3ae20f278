"""Decides the metadata that changes who may sign: keys added and taken away, and thresholds.

Pure. Root says who signs root and targets; targets says who signs every delegated role (TUF 1.0.34
sections 2 and 6.1). A role whose signatures are no longer enough after the change is signed again
in the same proposal, because phones would refuse it from then on.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import Role, Root, Targets

from server.core.errors import TrustError
from server.core.metadata import verify_role
from server.core.names import is_online
from signer.ceremony.plan import check_expiry_days
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError
from signer.keys.public_key import PublicKey

_IN_ROOT = ("root", "targets")


@dataclass(frozen=True, slots=True)
class HolderOrder:
    """What is to change: keys to enrol, pairs of role and key id to take away, thresholds.

    An added key signs the role in its name.
    """

    add: tuple[PublicKey, ...] = ()
    remove: tuple[tuple[str, str], ...] = ()
    thresholds: Mapping[str, int] = field(default_factory=dict)
    expiry_days: Mapping[str, int] = field(default_factory=dict)

    @property
    def roles(self) -> frozenset[str]:
        """The roles whose signers change."""
        return frozenset(
            {*(key.role for key in self.add), *(role for role, _ in self.remove), *self.thresholds}
        )


@dataclass(frozen=True, slots=True)
class SignedRole:
    """The current version of a role: its octets and what they say."""

    data: bytes
    signed: Targets


def plan_holders(
    order: HolderOrder, root: Root, roles: Mapping[str, SignedRole], now: datetime
) -> dict[str, Root | Targets]:
    """Return the next versions of the roles that `order` changes, and of those it leaves unsigned.

    `roles` holds targets and every delegated role that `order` names. Raises CeremonyError for an
    order that names no such role or key, changes nothing, or leaves fewer keys than signatures.
    """
    targets = roles["targets"].signed
    delegations = targets.delegations
    known = [*_IN_ROOT, *(delegations.roles or () if delegations else ())]
    _check_names(order, known)
    planned: dict[str, Root | Targets] = {}
    if order.roles & set(_IN_ROOT):
        planned["root"] = _edit(root, order, set(_IN_ROOT))
    if order.roles - set(_IN_ROOT):
        planned["targets"] = _edit(targets, order, set(known) - set(_IN_ROOT))
    for role in ("targets", *sorted(order.roles - {"root", "targets"})):
        above = planned.get("root" if role == "targets" else "targets")
        if role not in planned and above is not None and not _is_signed(roles[role], role, above):
            planned[role] = deepcopy(roles[role].signed)
    check_expiry_days(tuple(planned), order.expiry_days)
    for role, signed in planned.items():
        signed.version += 1
        signed.expires = choose_expiry(role, order.expiry_days, now)
    return planned


def _check_names(order: HolderOrder, known: list[str]) -> None:
    if not order.roles:
        raise CeremonyError("Nothing is to change; give --add, --remove or --threshold.")
    for role in sorted(order.roles):
        if is_online(role):
            raise CeremonyError(f"{role} is signed by the server; use `ceremony online`.")
        if role not in known:
            raise CeremonyError(f"There is no role {role} here; `ceremony model` adds a model.")


def _edit(delegator: Any, order: HolderOrder, roles: set[str]) -> Any:  # noqa: ANN401 - Root or Targets
    edited = deepcopy(delegator)
    for role, keyid in order.remove:
        if role in roles:
            if keyid not in edited.get_delegated_role(role).keyids:
                raise CeremonyError(f"The key {keyid[:16]} does not sign {role}; choose one of it.")
            edited.revoke_key(keyid, role)
    for key in order.add:
        if key.role in roles:
            if key.keyid in edited.get_delegated_role(key.role).keyids:
                raise CeremonyError(f"{key.name} signs {key.role} already; leave it away.")
            edited.add_key(key.tuf_key, key.role)
    for role, threshold in order.thresholds.items():
        if role in roles:
            edited.get_delegated_role(role).threshold = threshold
    for role in sorted(order.roles & roles):
        _check_reachable(role, edited.get_delegated_role(role))
    return edited


def _check_reachable(name: str, role: Role) -> None:
    if not 1 <= role.threshold <= len(role.keyids):
        raise CeremonyError(
            f"{name} would ask for {role.threshold} signatures and have {len(role.keyids)} keys;"
            f" add keys, or set --threshold {name}=N."
        )


def _is_signed(role: SignedRole, name: str, delegator: Root | Targets) -> bool:
    try:
        verify_role(name, role.data, delegator, None)
    except TrustError:
        return False
    return True
