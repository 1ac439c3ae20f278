"""Decides the metadata that adds a model: its delegation and its first, empty version."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime

from tuf.api.metadata import Root, Targets

from server.core.names import check_codename, is_codename
from signer.ceremony.plan import check_expiry_days, make_delegation
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError, refusing
from signer.keys.public_key import PublicKey


def plan_model(
    codename: str,
    keys: Sequence[PublicKey],
    threshold: int,
    targets: Targets,
    expiry_days: Mapping[str, int],
    now: datetime,
) -> dict[str, Root | Targets]:
    """Return the next version of targets and version 1 of the role `codename`.

    Raises CeremonyError for a model that is there already, and for more signatures than keys.
    """
    with refusing(CeremonyError):
        check_codename(codename)
    check_expiry_days(("targets", codename), expiry_days)
    edited = deepcopy(targets)
    delegations = edited.delegations
    if delegations is None or delegations.roles is None:
        raise CeremonyError("The targets role has no delegations; restore the working folder.")
    if codename in delegations.roles:
        raise CeremonyError(f"{codename} is there already; `ceremony holders` changes it.")
    if not 1 <= threshold <= len(keys):
        raise CeremonyError(
            f"{codename} would ask for {threshold} signatures and have {len(keys)} keys; make them"
            f" with `keys new {codename}-N`, or set --threshold."
        )
    edited.version += 1
    edited.expires = choose_expiry("targets", expiry_days, now)
    delegations.keys.update({key.keyid: key.tuf_key for key in keys})
    # Sorted among the models, which come before the common roles, as in the first ceremony.
    roles = dict(delegations.roles)
    common = [role for role in roles if not is_codename(role)]
    roles[codename] = make_delegation(codename, [key.keyid for key in keys], threshold)
    models = sorted(filter(is_codename, roles))
    delegations.roles = {role: roles[role] for role in (*models, *common)}
    empty = Targets(version=1, expires=choose_expiry(codename, expiry_days, now))
    return {"targets": edited, codename: empty}
