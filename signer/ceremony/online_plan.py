"""Decides the metadata that names other online keys.

Root names the keys of snapshot, timestamp and log; targets names the key of latest.

A planned rotation goes through two roots: the first names old and new keys (`overlap`), so that
what either signs is believed; the second, when all caches have the first, names the new ones alone.
After a theft there is no overlap. Source: docs/OPERATIONS.md, docs/FORMATS.md section 7.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

from tuf.api.metadata import Root, Targets

from server.core.latest import delegated_roles
from server.core.names import is_latest
from signer.ceremony.online_keys import OnlineKeys
from signer.ceremony.plan import check_expiry_days
from signer.ceremony.policy import choose_expiry
from signer.errors import CeremonyError
from signer.keys.public_key import make_tuf_key


def plan_online(
    root: Root,
    targets: Targets,
    online: OnlineKeys,
    *,
    overlap: bool,
    expiry_days: Mapping[str, int],
    now: datetime,
) -> dict[str, Root | Targets]:
    """Return the next root and targets, of those the ones that change, that name the keys `online`.

    With `overlap` the keys named now stay beside them; of the log's keys there is always one.
    Raises CeremonyError when nothing changes.
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
        raise CeremonyError("These online keys are named already; nothing is to change.")
    check_expiry_days(tuple(planned), expiry_days)
    for role, signed in planned.items():
        signed.version += 1
        signed.expires = choose_expiry(role, expiry_days, now)
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
