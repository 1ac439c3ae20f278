"""Plans the next version of `tables` or `content`: new packs, other dates, or a withdrawal.

Pure functions. Source: docs/FORMATS.md section 15.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.content.index import decode_index, targets_of
from server.core.content.kinds import KINDS, part_path, picture_path
from server.core.content.role import check_entries
from server.core.succession import check_role_content
from signer.content.pack_folder import PackFolder
from signer.errors import ContentError, refusing
from signer.proposal.trust import Transition


def plan_packs(
    current: Targets,
    packs: Sequence[PackFolder],
    hosts: Sequence[str] | None,
    expires: datetime,
) -> Targets:
    """Return the version after `current` with `packs`, all of one role, in place of the old ones.

    `hosts` replaces those of the index; None keeps them. Raises ContentError for a version that is
    not above the published one, and for any other forbidden change.
    """
    role = packs[0].role
    index = _index(role, current)
    targets = dict(current.targets)
    for pack in packs:
        known = index["packs"].get(pack.kind, {}).get("version", 0)
        if pack.pack.version <= known:
            raise ContentError(
                f"The pack {pack.kind} {pack.pack.version} does not follow version {known}, which"
                f" is signed; build it with `--version {known + 1}`."
            )
        for path in targets_of(pack.kind, targets):
            del targets[path]
        targets |= pack_targets(pack)
        withdrawn = index["packs"].get(pack.kind, {}).get("withdrawn", [])
        index["packs"][pack.kind] = {**pack.members, "withdrawn": withdrawn}
    if hosts is not None:
        index["hosts"] = sorted(set(hosts))
    return _next(role, current, targets, index, expires)


def plan_pack_edit(
    current: Targets, kind: str, changes: Mapping[str, Any], expires: datetime
) -> Targets:
    """Return the version after `current` with members of the pack of `kind` changed.

    `changes` gives `rollout` or `end` (None removes it). Raises ContentError for an unknown pack
    and for a forbidden change.
    """
    role = KINDS[kind].role
    index = _index(role, current)
    members = {**_find(role, current, index, kind), **changes}
    index["packs"][kind] = {name: each for name, each in members.items() if each is not None}
    return _next(role, current, current.targets, index, expires)


def plan_withdrawal(current: Targets, kind: str, version: int | None, expires: datetime) -> Targets:
    """Return the version after `current` with a version of the pack of `kind` withdrawn.

    None means the listed version. Raises ContentError for an unknown pack, and for a version that
    is withdrawn already or higher than the listed one.
    """
    role = KINDS[kind].role
    index = _index(role, current)
    members = _find(role, current, index, kind)
    listed, withdrawn = members["version"], members["withdrawn"]
    chosen = listed if version is None else version
    if chosen > listed:
        raise ContentError(f"There is no {kind} {chosen} yet: version {listed} is listed.")
    if chosen in withdrawn:
        raise ContentError(f"{kind} {chosen} is withdrawn already, and that is final.")
    index["packs"][kind] = {**members, "withdrawn": sorted([*withdrawn, chosen])}
    return _next(role, current, current.targets, index, expires)


def pack_files(pack: PackFolder) -> dict[str, bytes]:
    """Return the files of a pack that phones get, by target path."""
    files = {part_path(pack.kind, number): data for number, data in enumerate(pack.parts)}
    return files | {picture_path(name): data for name, data in pack.pictures.items()}


def _find(role: str, current: Targets, index: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind not in index["packs"]:
        raise ContentError(f"{role} {current.version} has no pack {kind}; release one first.")
    members: dict[str, Any] = index["packs"][kind]
    return members


def _index(role: str, current: Targets) -> dict[str, Any]:
    with refusing(ContentError):
        decode_index(role, current)
    custom = current.unrecognized_fields.get("custom", {"hosts": [], "packs": {}, "schema": 1})
    return {**custom, "packs": dict(custom["packs"])}


def pack_targets(pack: PackFolder) -> dict[str, TargetFile]:
    """Return the targets that a role lists for a pack, by path."""
    return {
        path: TargetFile(
            len(data), {"sha256": hashlib.sha256(data).hexdigest()}, path, {"custom": {"schema": 1}}
        )
        for path, data in pack_files(pack).items()
    }


def _next(
    role: str,
    current: Targets,
    targets: Mapping[str, TargetFile],
    index: dict[str, Any],
    expires: datetime,
) -> Targets:
    packs = {kind: _sorted(index["packs"][kind]) for kind in sorted(index["packs"])}
    planned = Targets(
        version=current.version + 1,
        expires=expires,
        targets={path: targets[path] for path in sorted(targets)},
        unrecognized_fields={
            **current.unrecognized_fields,
            "custom": _sorted({**index, "packs": packs}),
        },
    )
    with refusing(ContentError):
        check_role_content(role, current, planned)
    return planned


def _sorted(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: members[name] for name in sorted(members)}


WITH_LINKS = ("features", "notices")
"""Kinds whose entries may have links."""


def check_is_proposed(transition: Transition, pack: PackFolder) -> None:
    """Raise ContentError unless the proposal lists exactly the parts and pictures of `pack`."""
    if pack.role not in transition.new:
        raise ContentError(f"The proposal does not change {pack.role}, which lists {pack.kind}.")
    if not _is_listed(transition.after.roles[pack.role], pack):
        raise ContentError(f"The proposal lists another pack {pack.kind} than the folder has.")


def find_replaced(transition: Transition, packs: Sequence[PackFolder]) -> dict[str, PackFolder]:
    """Return by kind those of `packs` that the proposal replaces; raises ContentError if unsigned.

    The replaced packs are those in the proposal's context.
    """
    before = {} if transition.before is None else transition.before.roles
    for pack in packs:
        if pack.role not in before or not _is_listed(before[pack.role], pack):
            raise ContentError(
                f"{pack.kind} {pack.pack.version} is not the pack that the proposal replaces."
            )
    return {pack.kind: pack for pack in packs}


def check_links_that_stay(
    current: Targets,
    packs: Sequence[PackFolder],
    hosts: Collection[str],
    staying: Sequence[PackFolder],
) -> None:
    """Raise ContentError when a remaining link leads to a host that is no longer allowed.

    `packs` replace some of `current`, and `hosts` replace its hosts. `staying` are folders of the
    other packs. They are needed only when a host is removed, because their links are read again.
    """
    index = decode_index("content", current)
    for pack in staying:
        if not _is_listed(current, pack):
            raise ContentError(f"{pack.kind} {pack.pack.version} is not the pack that is signed.")
    given = {pack.kind for pack in (*packs, *staying)}
    for host in sorted(set(index.hosts) - set(hosts)):
        for kind in WITH_LINKS:
            if kind in index.packs and not index.packs[kind].is_withdrawn and kind not in given:
                raise ContentError(
                    f"The pack {kind} {index.packs[kind].version} stays, and may link to {host},"
                    " which would no longer be allowed: give its folder with --stays, so that its"
                    " links are checked again."
                )
    for pack in staying:
        with refusing(ContentError):
            check_entries(pack.kind, pack.entries, hosts)


def _is_listed(targets: Targets, pack: PackFolder) -> bool:
    listed = {
        path: (target.length, target.hashes["sha256"])
        for path, target in targets_of(pack.kind, targets.targets).items()
    }
    own = {path: (t.length, t.hashes["sha256"]) for path, t in pack_targets(pack).items()}
    return listed == own
