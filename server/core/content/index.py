"""The index of a role: its packs, when and to which phones they are rolled out, and their checks.

Source: docs/FORMATS.md section 15, Index and Targets.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from tuf.api.metadata import TargetFile, Targets

from server.core.content.kinds import KINDS, part_paths
from server.core.content.part import ENCODED_LIMIT
from server.core.content.picture import PICTURE_LIMIT
from server.core.content.text import (
    Licence,
    Localized,
    Text,
    check_host,
    check_localized,
    check_name,
)
from server.core.encodings import check_schema, encode_canonical_json
from server.core.errors import FormatError, HeningError, ReleaseError
from server.core.pointer import Permille
from server.core.release import Integer, Positive

INDEX_LIMIT = 1_048_576
VERSION_STEP = 1_000
"""The maximum step of a pack's version, so that a mistake does not use up the numbers."""
_PICTURE = re.compile(r"content/wallpapers/[a-z0-9][a-z0-9-]{0,47}\.jpg")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The source of entries: an SPDX expression, its name, and its version."""

    licence: Licence
    name: Text
    version: Text

    def __post_init__(self) -> None:
        check_name(self.name, 80)
        check_name(self.version, 80)


class Pack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of a kind's pack. `start` and `end` in epoch seconds.

    `rollout` holds pairs of a time and the permille of phones that use the pack from then on;
    `withdrawn` are versions of the kind, up to this one, that no phone may use, in ascending order.
    """

    version: Positive
    title: Localized
    sources: Annotated[list[Source], msgspec.Meta(min_length=1, max_length=16)]
    start: Integer
    rollout: Annotated[list[tuple[Integer, Permille]], msgspec.Meta(min_length=1, max_length=16)]
    withdrawn: Annotated[list[Positive], msgspec.Meta(max_length=1000)]
    end: Integer | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        check_localized(self.title, 200)
        if self.end is not msgspec.UNSET and self.end <= self.start:
            raise ValueError("end is not above start")
        if any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.rollout)):
            raise ValueError("the rollout does not grow")
        if any(a >= b for a, b in pairwise(self.withdrawn)):
            raise ValueError("the withdrawn versions do not ascend")
        if self.withdrawn[-1:] > [self.version]:
            raise ValueError("a version above the pack's own is withdrawn")

    @property
    def is_withdrawn(self) -> bool:
        """Whether this version itself is withdrawn."""
        return self.version in self.withdrawn

    def permille_at(self, now: int) -> int:
        """Return the share of phones that use the pack at `now`, in permille."""
        return max((permille for since, permille in self.rollout if since <= now), default=0)


@dataclass(frozen=True, slots=True)
class Index:
    """The allowed hosts of links in entries, and the packs by kind."""

    hosts: tuple[str, ...]
    packs: Mapping[str, Pack]


class _Custom(msgspec.Struct, frozen=True):
    schema: Literal[1]
    hosts: Annotated[list[str], msgspec.Meta(max_length=16)]
    packs: dict[str, dict[str, Any]]


def decode_index(role: str, targets: Targets) -> Index:
    """Read the index of `tables` or `content`, and check that it lists exactly its packs' targets.

    A role without `custom` has no packs. Raises FormatError, which names the kind.
    """
    custom = targets.unrecognized_fields.get("custom")
    if "custom" not in targets.unrecognized_fields:
        index = Index((), {})
    else:
        index = _decode_custom(role, custom)
    _check_targets(role, index, targets)
    return index


def _decode_custom(role: str, custom: object) -> Index:
    if len(encode_canonical_json(custom)) > INDEX_LIMIT:
        raise FormatError(f"the index of {role} is over {INDEX_LIMIT} bytes.")
    try:
        members = msgspec.convert(custom, _Custom)
        for host in members.hosts:
            check_host(host)
    except (msgspec.ValidationError, HeningError) as error:
        raise FormatError(f"the index of {role} is malformed: {str(error).rstrip('.')}.") from error
    if members.hosts != sorted(set(members.hosts)):
        raise FormatError(f"the hosts in the index of {role} are not sorted, or have repetitions.")
    packs = {}
    for kind, pack in members.packs.items():
        if kind not in KINDS or KINDS[kind].role != role:
            raise FormatError(f"{role} has a pack of {kind[:40]!r}, which is not one of its kinds.")
        packs[kind] = decode_pack(kind, pack)
    return Index(tuple(members.hosts), packs)


def decode_pack(kind: str, members: object) -> Pack:
    """Read the pack of `kind` in an index; raises FormatError if it is malformed."""
    try:
        return msgspec.convert(members, Pack)
    except (msgspec.ValidationError, ValueError, HeningError) as error:
        raise FormatError(f"the pack {kind} is malformed: {str(error).rstrip('.')}.") from error


def targets_of(kind: str, targets: Mapping[str, TargetFile]) -> dict[str, TargetFile]:
    """Return the targets of a role that belong to the pack of `kind`, by path."""
    folder = f"{KINDS[kind].role}/{kind}/"
    return {path: target for path, target in targets.items() if path.startswith(folder)}


def _check_targets(role: str, index: Index, targets: Targets) -> None:
    expected = {path for kind in index.packs for path in part_paths(kind)}
    for path in expected - targets.targets.keys():
        raise FormatError(f"{role} does not list {path}, but a pack has all of its parts.")
    for path, target in targets.targets.items():
        if path in expected:
            limit = ENCODED_LIMIT
        elif "wallpapers" in index.packs and _PICTURE.fullmatch(path):
            limit = PICTURE_LIMIT
        else:
            raise FormatError(f"{role} lists {path[:120]!r}, which belongs to none of its packs.")
        check_schema(path, target.unrecognized_fields.get("custom"), "schema")
        if not 1 <= target.length <= limit:
            raise FormatError(f"{path} has {target.length} bytes, and 1 to {limit} are allowed.")


def check_index_succession(role: str, before: Targets | None, after: Targets) -> None:
    """Raise ReleaseError unless the packs of `after` may follow those of `before`, None for none.

    No kind may be removed, no version may fall or grow by more than VERSION_STEP, and withdrawals
    stay. If a pack keeps its version, only its rollout, end and withdrawals may change. Raises
    FormatError if either role is malformed.
    """
    old = Index((), {}) if before is None else decode_index(role, before)
    new = decode_index(role, after)
    for kind, pack in new.packs.items():
        check_step(kind, old.packs[kind].version if kind in old.packs else 0, pack.version)
    for kind, pack in old.packs.items():
        if kind not in new.packs:
            raise ReleaseError(f"the pack {kind} is removed; withdraw it instead.")
        follower = new.packs[kind]
        if follower.version < pack.version:
            raise ReleaseError(
                f"the pack {kind} falls from version {pack.version} to {follower.version}."
            )
        if missing := sorted(set(pack.withdrawn) - set(follower.withdrawn)):
            raise ReleaseError(
                f"version {missing[0]} of the pack {kind} was withdrawn, and that is final."
            )
        if before is not None and follower.version == pack.version:
            for change in _changes(kind, pack, follower, before, after):
                raise ReleaseError(f"the pack {kind} {pack.version} {change}.")


def check_step(kind: str, before: int, after: int) -> None:
    """Raise ReleaseError if a pack's version grows too much; `before` is 0 for a new pack."""
    if after > before + VERSION_STEP:
        raise ReleaseError(
            f"the pack {kind} leaps from version {before} to {after}; a step of at most"
            f" {VERSION_STEP} is allowed, because a version never falls again."
        )


def _changes(kind: str, old: Pack, new: Pack, before: Targets, after: Targets) -> Iterator[str]:
    """Yield the changes that an unchanged version forbids."""
    for member in ("title", "sources", "start"):
        if getattr(old, member) != getattr(new, member):
            yield f"changes its {member}, which needs a new version"
    if _data(kind, before) != _data(kind, after):
        yield "changes its parts or pictures, which needs a new version"


def _data(kind: str, targets: Targets) -> dict[str, tuple[int, str]]:
    of_kind = targets_of(kind, targets.targets)
    return {path: (target.length, target.hashes["sha256"]) for path, target in of_kind.items()}
