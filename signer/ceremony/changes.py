"""Plans changes of keys: those of holders, of new models, and of the server."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import Role, Root, Targets

from server.core.errors import TrustError
from server.core.latest import delegated_roles
from server.core.metadata import verify_role
from server.core.names import check_codename, is_codename, is_latest, is_online
from signer.ceremony.plan import OnlineKeys, check_expiry_days, make_delegation, number_next
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError, refusing
from signer.keys.public_key import PublicKey, make_tuf_key
from signer.signing import SignedRole

_IN_ROOT = ("root", "targets")


@dataclass(frozen=True, slots=True)
class HolderChange:
    """A change of holders: keys to enrol, pairs of role and key id to remove, thresholds.

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


def plan_holders(
    request: HolderChange, root: Root, roles: Mapping[str, SignedRole], now: datetime
) -> dict[str, Root | Targets]:
    """Return the next version of each role that `request` changes or leaves short of signatures.

    `roles` has targets and every delegated role that `request` names. Raises CeremonyError for a
    request that names an unknown role or key, changes nothing, or leaves a role with fewer keys
    than its threshold.
    """
    targets = roles["targets"].signed
    delegations = targets.delegations
    known = [*_IN_ROOT, *(delegations.roles or () if delegations else ())]
    _check_names(request, known)
    planned: dict[str, Root | Targets] = {}
    if request.roles & set(_IN_ROOT):
        planned["root"] = _edit(root, request, set(_IN_ROOT))
    if request.roles - set(_IN_ROOT):
        planned["targets"] = _edit(targets, request, set(known) - set(_IN_ROOT))
    for role in ("targets", *sorted(request.roles - {"root", "targets"})):
        above = planned.get("root" if role == "targets" else "targets")
        if role not in planned and above is not None and not _is_signed(roles[role], role, above):
            planned[role] = deepcopy(roles[role].signed)
    number_next(planned, request.expiry_days, now)
    return planned


def _check_names(request: HolderChange, known: list[str]) -> None:
    if not request.roles:
        raise CeremonyError("Nothing would change; give --add, --remove or --threshold.")
    for role in sorted(request.roles):
        if is_online(role):
            raise CeremonyError(f"{role} is signed by the server; use `ceremony online`.")
        if role not in known:
            raise CeremonyError(f"There is no role {role} here; `ceremony model` adds a model.")


def _edit(delegator: Any, request: HolderChange, roles: set[str]) -> Any:  # noqa: ANN401 - Root or Targets
    edited = deepcopy(delegator)
    for role, keyid in request.remove:
        if role in roles:
            if keyid not in edited.get_delegated_role(role).keyids:
                raise CeremonyError(f"The key {keyid[:16]} does not sign {role}; name another.")
            edited.revoke_key(keyid, role)
    for key in request.add:
        if key.role in roles:
            if key.keyid in edited.get_delegated_role(key.role).keyids:
                raise CeremonyError(f"{key.name} signs {key.role} already; omit it.")
            edited.add_key(key.tuf_key, key.role)
    for role, threshold in request.thresholds.items():
        if role in roles:
            edited.get_delegated_role(role).threshold = threshold
    for role in sorted(request.roles & roles):
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


def plan_model(
    codename: str,
    keys: Sequence[PublicKey],
    threshold: int,
    targets: Targets,
    expiry_days: Mapping[str, int],
    now: datetime,
) -> dict[str, Root | Targets]:
    """Return the next version of targets and version 1 of the role `codename`.

    Raises CeremonyError for an existing model, and for a threshold above the number of keys.
    """
    with refusing(CeremonyError):
        check_codename(codename)
    check_expiry_days(("targets", codename), expiry_days)
    edited = deepcopy(targets)
    delegations = edited.delegations
    if delegations is None or delegations.roles is None:
        raise CeremonyError("The targets role has no delegations; restore the working folder.")
    if codename in delegations.roles:
        raise CeremonyError(f"{codename} already exists; `ceremony holders` changes it.")
    if not 1 <= threshold <= len(keys):
        raise CeremonyError(
            f"{codename} would ask for {threshold} signatures and have {len(keys)} keys; make them"
            f" with `keys new {codename}-N`, or set --threshold."
        )
    edited.version += 1
    edited.expires = choose_expiry("targets", expiry_days, now)
    delegations.keys.update({key.keyid: key.tuf_key for key in keys})
    # As in the first ceremony, the models are sorted and come before the common roles.
    roles = dict(delegations.roles)
    common = [role for role in roles if not is_codename(role)]
    roles[codename] = make_delegation(codename, [key.keyid for key in keys], threshold)
    models = sorted(filter(is_codename, roles))
    delegations.roles = {role: roles[role] for role in (*models, *common)}
    empty = Targets(version=1, expires=choose_expiry(codename, expiry_days, now))
    return {"targets": edited, codename: empty}


def plan_online(
    root: Root,
    targets: Targets,
    online: OnlineKeys,
    *,
    overlap: bool,
    expiry_days: Mapping[str, int],
    now: datetime,
) -> dict[str, Root | Targets]:
    """Return the next version of root and targets with the keys `online`, if they change.

    With `overlap`, the current keys stay valid next to the new ones; there is always exactly one
    log key. Raises CeremonyError when nothing changes.
    """
    new_root, new_targets = deepcopy(root), deepcopy(targets)
    _name_keys(new_root, "snapshot", online.snapshot, overlap=overlap)
    _name_keys(new_root, "timestamp", online.timestamp, overlap=overlap)
    for role in delegated_roles(targets):
        if is_latest(role):  # a split latest and its parts have the same keys
            _name_keys(new_targets, role, online.latest, overlap=overlap)
    new_root.unrecognized_fields["custom"]["log"] = str(online.log)
    planned: dict[str, Root | Targets] = {}
    if new_root != root:
        planned["root"] = new_root
    if new_targets != targets:
        planned["targets"] = new_targets
    if not planned:
        raise CeremonyError("These online keys are named already; nothing would change.")
    number_next(planned, expiry_days, now)
    return planned


def _name_keys(delegator: Any, role: str, public: str, *, overlap: bool) -> None:  # noqa: ANN401
    key = make_tuf_key(public)
    before: Sequence[str] = list(delegator.get_delegated_role(role).keyids)
    if key.keyid not in before:
        delegator.add_key(key, role)
    if not overlap:
        for keyid in before:
            if keyid != key.keyid:
                delegator.revoke_key(keyid, role)
