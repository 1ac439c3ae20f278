"""The next version of `tables` or `content`: with new packs, or with other dates for one.

Pure. Source: docs/FORMATS.md section 15.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.content.index import decode_index, targets_of
from server.core.content.kinds import KINDS, part_path, picture_path
from server.core.role_content import check_role_content
from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder
from signer.errors import refusing


def plan_packs(
    current: Targets,
    packs: Sequence[PackFolder],
    hosts: Sequence[str] | None,
    expires: datetime,
) -> Targets:
    """Return the version after `current` with `packs`, all of one role, in place of what was there.

    `hosts` replaces those of the index; None keeps them. Raises ContentError for a version that is
    not above the published one, and for all that may not follow.
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

    `changes` gives `rollout` or `end` (None removes it). Raises ContentError where there is no such
    pack, or it may not go on so.
    """
    role = KINDS[kind].role
    index = _index(role, current)
    members = {**_find(role, current, index, kind), **changes}
    index["packs"][kind] = {name: each for name, each in members.items() if each is not None}
    return _next(role, current, current.targets, index, expires)


def plan_withdrawal(current: Targets, kind: str, version: int | None, expires: datetime) -> Targets:
    """Return the version after `current` with a version of the pack of `kind` withdrawn.

    None is the version that is listed. Raises ContentError where that is withdrawn already, or
    higher than what is listed, and where there is no such pack.
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
    """Return what phones get of a pack, by target path."""
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
    """Return the targets that a role lists of a pack, by path."""
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
