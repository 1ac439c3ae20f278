"""Differences between two packs of a kind: in entries and in what phones fetch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signer.content.pack_folder import PackFolder
from signer.errors import ContentError


@dataclass(frozen=True, slots=True)
class PackDifference:
    """Keys of added, changed and removed entries; parts and bytes that a phone fetches again.

    `members` are the members of the index entry that differ, with the values before and after;
    `before` and `after` hold the entries themselves.
    """

    kind: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    parts: tuple[int, ...]
    size: int
    members: Mapping[str, tuple[Any, Any]]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __str__(self) -> str:
        return (
            f"{self.kind}: {len(self.added)} entries added, {len(self.changed)} changed,"
            f" {len(self.removed)} removed"
        )


def diff_packs(old: PackFolder | None, new: PackFolder) -> PackDifference:
    """Return the changes from `old` to `new`; without `old`, all entries count as added.

    Raises ContentError when their kinds differ.
    """
    if old is not None and old.kind != new.kind:
        raise ContentError(f"One pack is of {old.kind} and the other of {new.kind}.")
    known = () if old is None else old.parts
    parts = tuple(n for n, part in enumerate(new.parts) if known[n : n + 1] != (part,))
    members = {} if old is None else old.members
    entries = {} if old is None else old.entries
    names = sorted(members.keys() | new.members.keys())
    return PackDifference(
        kind=new.kind,
        added=tuple(sorted(new.entries.keys() - entries.keys())),
        changed=tuple(
            key
            for key in sorted(new.entries.keys() & entries.keys())
            if new.entries[key] != entries[key]
        ),
        removed=tuple(sorted(entries.keys() - new.entries.keys())),
        parts=parts,
        size=sum(len(new.parts[number]) for number in parts),
        members={
            name: (members.get(name), new.members.get(name))
            for name in names
            if members.get(name) != new.members.get(name)
        },
        before=entries,
        after=new.entries,
    )
