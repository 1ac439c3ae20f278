"""What differs between two packs of a kind, in entries and in what phones fetch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder


@dataclass(frozen=True, slots=True)
class PackDifference:
    """Keys of entries that joined, changed and left; parts, and octets that a phone fetches anew.

    `members` are those of what the index says that differ, with the value before and after.
    """

    kind: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    parts: tuple[int, ...]
    octets: int
    members: Mapping[str, tuple[Any, Any]]

    def __str__(self) -> str:
        return (
            f"{self.kind}: {len(self.added)} entries added, {len(self.changed)} changed,"
            f" {len(self.removed)} removed"
        )


def diff_packs(old: PackFolder, new: PackFolder) -> PackDifference:
    """Return what `new` changes about `old`; ContentError where they are of two kinds."""
    if old.kind != new.kind:
        raise ContentError(f"One pack is of {old.kind} and the other of {new.kind}.")
    parts = tuple(n for n, (a, b) in enumerate(zip(old.parts, new.parts, strict=True)) if a != b)
    names = sorted(old.members.keys() | new.members.keys())
    return PackDifference(
        kind=new.kind,
        added=tuple(sorted(new.entries.keys() - old.entries.keys())),
        changed=tuple(
            key
            for key in sorted(new.entries.keys() & old.entries.keys())
            if new.entries[key] != old.entries[key]
        ),
        removed=tuple(sorted(old.entries.keys() - new.entries.keys())),
        parts=parts,
        octets=sum(len(new.parts[number]) for number in parts),
        members={
            name: (old.members.get(name), new.members.get(name))
            for name in names
            if old.members.get(name) != new.members.get(name)
        },
    )
