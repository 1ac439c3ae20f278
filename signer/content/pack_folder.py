"""A pack on the signer's disk before it is signed, and its differences from another one.

    DIR/pack.json           kind, version, title, sources, start, end, rollout
    DIR/entries.json        the entries by key, one member per line
    DIR/parts/NN.xz         the same entries as phones get them
    DIR/pictures/NAME.jpg   of wallpapers

After a manual edit of `entries.json`, `content build --edited` rebuilds the parts. A folder whose
parts do not match its entries is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from server.core.content.index import Pack, decode_pack
from server.core.content.kinds import KINDS
from server.core.content.part import ENCODED_LIMIT, encode_part, join_parts, split_entries
from server.core.content.picture import PICTURE_LIMIT
from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError
from signer.durable import make_temporary_folder, move_folder, write_synced
from signer.errors import ContentError, EnvironmentFailedError, refusing

ENTRIES_LIMIT = 64 * 1024 * 1024
_PACK_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PackFolder:
    """A pack: its index entry, its entries, its parts in order, and its pictures.

    `members` has all members of the index entry, unknown ones included.
    """

    kind: str
    members: dict[str, Any]
    entries: dict[str, Any]
    parts: tuple[bytes, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def pack(self) -> Pack:
        """The decoded index entry."""
        return decode_pack(self.kind, self.members)

    @property
    def role(self) -> str:
        """The role that lists the pack."""
        return KINDS[self.kind].role


def make_pack(
    kind: str,
    members: Mapping[str, Any],
    entries: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    base: PackFolder | None = None,
) -> PackFolder:
    """Return a pack of those entries; a part with the same content as in `base` keeps its bytes.

    Raises ContentError if the entries do not fit into parts.
    """
    with refusing(ContentError):
        known = {} if base is None else dict(enumerate(base.parts))
        base_parts = () if base is None else split_entries(kind, base.entries)
        parts = tuple(
            known[number]
            if base is not None and base_parts[number] == part
            else encode_part(kind, number, part)
            for number, part in enumerate(split_entries(kind, entries))
        )
        pack = PackFolder(kind, dict(members), dict(entries), parts, dict(pictures))
        decode_pack(kind, pack.members)
    return pack


def load_pack(folder: Path) -> PackFolder:
    """Read a pack folder; raises ContentError when its files are not a pack, or disagree."""
    members = _load_json(folder / "pack.json", _PACK_LIMIT)
    kind = members.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ContentError(
            f"{folder / 'pack.json'} names no known kind; choose among {', '.join(KINDS)}."
        )
    entries = _load_json(folder / "entries.json", ENTRIES_LIMIT)
    names = [f"{number:02}.xz" for number in range(KINDS[kind].parts)]
    parts = tuple(_read(folder / "parts" / name, ENCODED_LIMIT) for name in names)
    pictures = _load_pictures(folder)
    with refusing(ContentError):
        decode_pack(kind, members)
        joined = join_parts(kind, parts)
        canonical = encode_canonical_json(entries)
    if encode_canonical_json(joined) != canonical:
        raise ContentError(
            f"{folder / 'parts'} has other entries than entries.json; if you have edited that, run"
            f" `content build {kind} --edited {folder}`."
        )
    return PackFolder(kind, members, entries, parts, pictures)


def load_edited(folder: Path, kind: str) -> PackFolder:
    """Read a folder of `kind` whose entries were edited manually, and rebuild its parts."""
    members = _load_json(folder / "pack.json", _PACK_LIMIT)
    if members.pop("kind", None) != kind:
        raise ContentError(f"{folder / 'pack.json'} is not of the kind {kind}.")
    entries = _load_json(folder / "entries.json", ENTRIES_LIMIT)
    return make_pack(kind, members, entries, _load_pictures(folder))


def _load_pictures(folder: Path) -> dict[str, bytes]:
    paths = sorted((folder / "pictures").glob("*.jpg"))
    return {path.stem: _read(path, PICTURE_LIMIT) for path in paths}


def write_pack(folder: Path, pack: PackFolder) -> None:
    """Write a pack folder, whole or not at all; raises EnvironmentFailedError when it exists."""
    if folder.exists():
        raise EnvironmentFailedError(f"{folder} already exists; choose another name.")
    temporary = make_temporary_folder(folder)
    (temporary / "parts").mkdir()
    write_synced(temporary / "pack.json", _encode_json({"kind": pack.kind, **pack.members}))
    write_synced(temporary / "entries.json", _encode_json(pack.entries))
    for number, part in enumerate(pack.parts):
        write_synced(temporary / "parts" / f"{number:02}.xz", part)
    if pack.pictures:
        (temporary / "pictures").mkdir()
    for name, picture in pack.pictures.items():
        write_synced(temporary / "pictures" / f"{name}.jpg", picture)
    move_folder(temporary, folder)


def list_files(folder: Path) -> list[Path]:
    """Return the files of a pack folder that phones get: parts, then pictures."""
    return [*sorted((folder / "parts").glob("*.xz")), *sorted((folder / "pictures").glob("*.jpg"))]


def _encode_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _load_json(path: Path, limit: int) -> dict[str, Any]:
    data = _read(path, limit)
    try:
        value = msgspec.json.decode(data)
        encode_canonical_json(value)
    except (msgspec.DecodeError, FormatError, ValueError, RecursionError) as error:
        raise ContentError(f"{path} is not valid JSON for a pack: {error}.") from error
    if not isinstance(value, dict):
        raise ContentError(f"{path} does not hold an object.")
    return value


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ContentError(f"{path} has more than {limit} bytes.")
    return data


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
