"""Decodes the index of packs in a role, and the parts of packs (FORMATS section 15)."""

import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from client_sim.content import kinds
from client_sim.content.kinds import KEY, Kind, part_of, read_map, read_object
from client_sim.content.text import HOST, check_name
from client_sim.device.errors import ContentError
from client_sim.device.release import MAX_INTEGER

PICTURE_LIMIT: Final = 8 * 1024 * 1024
_INDEX_LIMIT: Final = 1024 * 1024
_WITHDRAWN_LIMIT: Final = 1000
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")
_MEMBERS: Final = ("rollout", "sources", "start", "title", "version", "withdrawn")
ENCODED_LIMIT: Final = 262_144
DECODED_LIMIT: Final = 2_097_152
_MEMORY_LIMIT: Final = 16 * 1024 * 1024
_ENTRIES_LIMIT: Final = 20_000
_HEADER: Final = b"\xfd7zXZ\x00\x00\x01"  # magic, and the flags that declare CRC32
_FOOTER: Final = b"\x00\x01YZ"
_HEADER_SIZE: Final = 12
_FOOTER_SIZE: Final = 12
_LZMA2: Final = 0x21
_DICTIONARY: Final = 22  # 8 MiB as the format writes it


@dataclass(frozen=True, slots=True)
class File:
    """A target: its length in bytes, and its sha256 in lower-case hex."""

    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a pack's entries, and their licence."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True, slots=True)
class Pack:
    """A version of a pack as an index lists it; `end` is None if it has none.

    `rollout` has pairs of epoch seconds and permille, `withdrawn` the withdrawn versions of the
    kind in ascending order, `pictures` the pictures of wallpapers by name.
    """

    version: int
    title: Mapping[str, str]
    sources: tuple[Origin, ...]
    start: int
    end: int | None
    rollout: tuple[tuple[int, int], ...]
    withdrawn: tuple[int, ...]
    parts: tuple[File, ...]
    pictures: Mapping[str, File]

    @property
    def is_withdrawn(self) -> bool:
        """Whether this version is withdrawn."""
        return self.version in self.withdrawn


@dataclass(frozen=True, slots=True)
class Index:
    """The packs of a role by kind, the allowed hosts of links, and warnings about skipped packs.

    `wallpapers` are the names that themes may use; None if they are unknown, because their pack was
    withdrawn or skipped.
    """

    packs: Mapping[str, Pack]
    hosts: frozenset[str]
    warnings: tuple[str, ...]
    wallpapers: frozenset[str] | None = frozenset()


def decode_index(
    role: str, custom: Mapping[str, Any] | None, targets: Mapping[str, tuple[File, object]]
) -> Index:
    """Decode the index of a verified role; `targets` are its files, each with its `custom`.

    A malformed pack is skipped with a warning; an unknown kind and other members of `custom` are
    ignored. Raises ContentError if the index itself is malformed.
    """
    if custom is None:
        return Index({}, frozenset(), ())
    if not isinstance(custom, dict):
        raise ContentError(f"The index of {role} is not an object.")
    if len(encode_canonical(custom)) > _INDEX_LIMIT:
        raise ContentError(f"The index of {role} is too long.")
    if type(custom.get("schema")) is not int or custom["schema"] != 1:
        raise ContentError(f"The index of {role} has a schema that this phone does not know.")
    hosts = [
        kinds.read_match("A host of an index", host, HOST)
        for host in kinds.read_list("The hosts of an index", custom.get("hosts"), 0, 16)
    ]
    kinds.check_ascending("The hosts of an index", hosts)
    stated = kinds.read_map(f"The index of {role}", custom.get("packs"), 0, MAX_INTEGER)
    for name in stated:
        kinds.read_match("A kind of an index", name, _KIND)
        if name in kinds.KINDS and kinds.KINDS[name].role != role:
            raise ContentError(f"The index of {role} has the kind {name} of another role.")
    packs, warnings = {}, []
    for kind in kinds.kinds_of(role):
        if kind.name in stated:
            try:
                packs[kind.name] = _read_pack(kind, stated[kind.name], targets)
            except ContentError as error:
                warnings.append(f"The pack {kind.name} is skipped: {error}")
    wallpapers = _find_wallpapers(packs) if kinds.PICTURES in stated else frozenset()
    return Index(packs, frozenset(hosts), tuple(warnings), wallpapers)


def _find_wallpapers(packs: Mapping[str, Pack]) -> frozenset[str] | None:
    pack = packs.get(kinds.PICTURES)
    return None if pack is None or pack.is_withdrawn else frozenset(pack.pictures)


def read_pack(value: object, parts: tuple[File, ...], pictures: Mapping[str, File]) -> Pack:
    """Decode a pack of an index, ignoring unknown members; raises ContentError."""
    members = {
        name: item
        for name, item in kinds.read_map("A pack of an index", value, 0, MAX_INTEGER).items()
        if name in {*_MEMBERS, "end"}
    }
    kinds.read_object("A pack of an index", members, _MEMBERS, ("end",))
    start = kinds.read_integer("The start of a pack", members["start"], 0, MAX_INTEGER)
    end = members.get("end")
    if "end" in members:
        end = kinds.read_integer("The end of a pack", end, start + 1, MAX_INTEGER)
    version = kinds.read_integer("The version of a pack", members["version"], 1, MAX_INTEGER)
    return Pack(
        version=version,
        title=kinds.read_locales("The title of a pack", members["title"], 200),
        sources=tuple(map(_read_source, kinds.read_list("The sources", members["sources"], 1, 16))),
        start=start,
        end=end,
        rollout=tuple(_read_rollout(members["rollout"])),
        withdrawn=_read_withdrawn(members["withdrawn"], version),
        parts=parts,
        pictures=pictures,
    )


def _read_pack(kind: kinds.Kind, value: object, targets: Mapping[str, tuple[File, object]]) -> Pack:
    folder = f"{kind.role}/{kind.name}/"
    paths = [f"{folder}{part:02}.xz" for part in range(kind.parts)]
    pictures: dict[str, File] = {}
    for path, (file, custom) in targets.items():
        if not path.startswith(folder):
            continue
        name = path.removeprefix(folder).removesuffix(".jpg")
        if path in paths:
            _check_file(file, custom, ENCODED_LIMIT)
        elif kind.name == kinds.PICTURES and path.endswith(".jpg") and kinds.NAME.fullmatch(name):
            _check_file(file, custom, PICTURE_LIMIT)
            pictures[name] = file
        else:
            raise ContentError("its folder lists a file that does not belong to it.")
    if not targets.keys() >= set(paths):
        raise ContentError("not all of its parts are listed.")
    return read_pack(value, tuple(targets[path][0] for path in paths), pictures)


def _check_file(file: File, custom: object, limit: int) -> None:
    if not 1 <= file.length <= limit:
        raise ContentError("one of its files is empty or too long.")
    if not isinstance(custom, dict) or type(custom.get("schema")) is not int:
        raise ContentError("one of its files has no schema.")
    if custom["schema"] != 1:
        raise ContentError("one of its files has a schema that this phone does not know.")


def _read_source(value: object) -> Origin:
    members = kinds.read_object("A source of a pack", value, ("licence", "name", "version"))
    return Origin(
        name=check_name(members["name"], 80),
        version=check_name(members["version"], 80),
        licence=kinds.read_licence(members["licence"]),
    )


def _read_withdrawn(value: object, newest: int) -> tuple[int, ...]:
    subject = "The withdrawn versions of a pack"
    versions = [
        kinds.read_integer("A withdrawn version of a pack", item, 1, newest)
        for item in kinds.read_list(subject, value, 0, _WITHDRAWN_LIMIT)
    ]
    kinds.check_ascending(subject, versions)
    return tuple(versions)


def _read_rollout(value: object) -> Iterator[tuple[int, int]]:
    before = (-1, 0)
    for item in kinds.read_list("The rollout of a pack", value, 1, 16):
        pair = kinds.read_list("A step of a pack's rollout", item, 2, 2)
        start = kinds.read_integer("A time of a pack's rollout", pair[0], 0, MAX_INTEGER)
        permille = kinds.read_integer("A share of a pack's rollout", pair[1], 0, 1000)
        if start <= before[0] or permille < before[1]:
            raise ContentError("The steps of a pack's rollout do not ascend.")
        before = (start, permille)
        yield before


def decode_part(data: bytes, kind: Kind, part: int) -> dict[str, Any]:
    """Decode a part and return its entries by key, which are not checked.

    Raises ContentError unless `data` is the canonical form of this part of this kind.
    """
    text = _decompress(data)
    value = _parse(text)
    pack = read_object("A part of a pack", value, ("entries", "kind", "part", "schema"))
    stated = [pack["kind"], pack["part"], pack["schema"]]
    if stated != [kind.name, part, 1] or bool in {type(member) for member in stated}:
        raise ContentError("A part of a pack is not the part that its name states.")
    entries = read_map("A part of a pack", pack["entries"], 0, _ENTRIES_LIMIT)
    for key in entries:
        if KEY.fullmatch(key) is None or part_of(key, kind.parts) != part:
            raise ContentError("A part of a pack has an entry that does not belong there.")
    return entries


def _decompress(data: bytes) -> bytes:
    if len(data) > ENCODED_LIMIT:
        raise ContentError("A part of a pack is too long.")
    _check_container(data)
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
    try:
        # One byte more than allowed is enough to detect a longer text.
        text = decoder.decompress(data, DECODED_LIMIT + 1)
    except (lzma.LZMAError, EOFError):
        raise ContentError("A part of a pack is damaged xz.") from None
    if len(text) > DECODED_LIMIT:
        raise ContentError("A part of a pack is too long when it is decompressed.")
    if not decoder.eof or decoder.unused_data:
        raise ContentError("A part of a pack is not exactly one xz stream.")
    return text


def _check_container(data: bytes) -> None:
    """Check properties that the decoder does not report: one block, LZMA2, dictionary, CRC32."""
    fault = ContentError("A part of a pack is not xz in the required form.")
    if data[:8] != _HEADER or data[-4:] != _FOOTER or len(data) < _HEADER_SIZE + _FOOTER_SIZE + 8:
        raise fault
    index_size = (int.from_bytes(data[-8:-4], "little") + 1) * 4
    index = data[-_FOOTER_SIZE - index_size : -_FOOTER_SIZE]
    if index[:2] != b"\x00\x01":
        raise fault
    # Block header: its size, flags (number of filters, presence of sizes), sizes, filter,
    # dictionary.
    flags, place = data[13], 14
    for flag in (0x40, 0x80):
        if flags & flag:
            while data[place : place + 1] >= b"\x80":
                place += 1
            place += 1
    size, dictionary = data[12], data[place + 2 : place + 3]
    if not size or flags & 0x3F or data[place : place + 2] != bytes((_LZMA2, 1)):
        raise fault
    if dictionary > bytes((_DICTIONARY,)):
        raise fault


def _parse(text: bytes) -> object:
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        is_canonical = encode_canonical(value) == text
    except (ValueError, RecursionError):
        raise ContentError("A part of a pack is not JSON, or has a float in it.") from None
    if not is_canonical:
        raise ContentError("A part of a pack is not canonical JSON.")
    return value


def encode_canonical(value: object) -> bytes:
    """Return the canonical JSON of a value (FORMATS section 1)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode() + b"\n"


def _refuse(text: str) -> object:
    raise ValueError(text)
