"""Decodes the records of a zip file (APPNOTE 4.3) and checks the names of entries."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from signer.ota.errors import ContainerError, show_name

END_MAGIC = b"PK\x05\x06"
END_LENGTH = 22
LOCAL_LENGTH = 30
LOCATOR_LENGTH = 20
LOCATOR_MAGIC = b"PK\x06\x07"
END64_LENGTH = 56
MAX_DESCRIPTOR = 24
# The newest version that Info-ZIP's unzip and Java understand: 4.5, which introduced zip64.
MAX_VERSION = 45
_CENTRAL_LENGTH = 46
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_ZIP64 = 0x0001
# Other extra fields that AOSP's signing tool writes: for alignment, and the mark of Java's jar
# writer.
_ALIGNMENT, _JAR = 0xD935, 0xCAFE


@dataclass(frozen=True, slots=True)
class End:
    """The place of the central directory: offset and size in bytes, and its number of entries."""

    entries: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """The contents of an entry's central or local header.

    `has_wide_sizes` says that its sizes are in a zip64 field, `written` is its time and date. A
    local header has neither offset nor host nor attributes, which are then 0.
    """

    name: bytes
    needed: int
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    extra_length: int
    has_wide_sizes: bool
    written: tuple[int, int]
    offset: int = 0
    host: int = 0
    attributes: int = 0


def decode_end(record: bytes) -> End:
    """Decode an end record (22 bytes, no comment); raises ContainerError if it is malformed."""
    if len(record) != END_LENGTH or not record.startswith(END_MAGIC):
        raise ContainerError("The file is not a zip: it has no end of central directory.")
    disk, start_disk, here, total, size, offset, _ = struct.unpack("<4H2LH", record[4:])
    if disk or start_disk or here != total:
        raise ContainerError("The zip is one part of several, which an OTA package never is.")
    return End(total, size, offset)


def is_zip64(end: End) -> bool:
    """Whether a value is too large for the end record, so that the zip64 record has it."""
    return end.entries == _MAX16 or _MAX32 in {end.size, end.offset}


def decode_locator(record: bytes) -> int:
    """Return the zip64 end record's offset from its locator; raises ContainerError if malformed."""
    if len(record) != LOCATOR_LENGTH or not record.startswith(LOCATOR_MAGIC):
        raise ContainerError("The zip needs a zip64 end record and has no locator for it.")
    disk, offset, disks = struct.unpack("<LQL", record[4:])
    if disk or disks != 1:
        raise ContainerError("The zip is one part of several, which an OTA package never is.")
    return int(offset)


def decode_end64(record: bytes) -> End:
    """Decode a zip64 end record of 56 bytes; raises ContainerError if it is malformed."""
    if len(record) != END64_LENGTH or not record.startswith(b"PK\x06\x06"):
        raise ContainerError("The zip's zip64 end record is not where its locator says.")
    length, _, _, disk, start, here, total, size, offset = struct.unpack("<Q2H2L4Q", record[4:])
    if length != END64_LENGTH - 12 or disk or start or here != total:
        raise ContainerError("The zip's zip64 end record is malformed.")
    return End(total, size, offset)


def check_ends_agree(end: End, end64: End) -> None:
    """Raise ContainerError unless each value of the end record is the zip64 one or defers to it."""
    pairs = ((end.entries, end64.entries, _MAX16), (end.size, end64.size, _MAX32))
    for narrow, wide, most in (*pairs, (end.offset, end64.offset, _MAX32)):
        if narrow not in {wide, most}:
            raise ContainerError("The zip's two end records contradict each other.")


def descriptor(header: Header) -> bytes:
    """Return the data descriptor that may follow the entry.

    It has a signature, and sizes of 8 bytes only where 4 are too few: a streaming reader has no
    other way to tell the forms apart.
    """
    is_wide = max(header.packed_size, header.size) >= _MAX32
    form = "<4sL2Q" if is_wide else "<4s3L"
    return struct.pack(form, b"PK\x07\x08", header.crc, header.packed_size, header.size)


def _widen(extra: bytes, narrow: list[int]) -> list[int]:
    """Replace each value ffffffff by the next value of the zip64 extra field."""
    at, found = 0, dict[int, bytes]()
    # Any other extra field is refused: it can give an entry a second name. Zeros only align data.
    while any(extra[at:]):
        kind, length = struct.unpack_from("<2H", extra.ljust(at + 4, b"\0"), at)
        if at + 4 + length > len(extra):
            raise ContainerError("A zip entry has an extra field that runs beyond its end.")
        if kind not in {_ZIP64, _ALIGNMENT, _JAR}:
            raise ContainerError(
                f"A zip entry has the extra field {kind:04x}, which no package needs."
            )
        if kind in found:
            raise ContainerError(f"A zip entry has the extra field {kind:04x} twice.")
        found[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    wide = found.get(_ZIP64, b"")
    needed = sum(value == _MAX32 for value in narrow)
    if len(wide) != 8 * needed or (_ZIP64 in found and not needed):
        raise ContainerError("A zip entry has other zip64 values than its header refers to.")
    values = iter(struct.unpack_from(f"<{needed}Q", wide))
    return [next(values) if value == _MAX32 else value for value in narrow]


def decode_directory(directory: bytes, count: int) -> list[Header]:
    """Decode `count` central headers that fill `directory` exactly."""
    headers, at = [], 0
    for _ in range(count):
        if directory[at : at + 4] != b"PK\x01\x02" or at + _CENTRAL_LENGTH > len(directory):
            raise ContainerError("The zip's central directory has fewer entries than it says.")
        fields = struct.unpack_from("<6H3L5H2L", directory, at + 4)
        made_by, needed, flags, method, time, day, crc, packed, size, name_n, extra_n, comment_n = (
            fields[:12]
        )
        start = at + _CENTRAL_LENGTH
        at = start + name_n + extra_n + comment_n
        if at > len(directory):
            raise ContainerError("An entry of the zip's central directory runs beyond its end.")
        if fields[12]:
            raise ContainerError("The zip is one part of several, which an OTA package never is.")
        name = directory[start : start + name_n]
        extra = directory[start + name_n : start + name_n + extra_n]
        is_wide = _MAX32 in {size, packed}
        size, packed, offset = _widen(extra, [size, packed, fields[15]])
        headers.append(
            Header(
                *(name, needed, flags, method, crc, packed, size, extra_n, is_wide, (time, day)),
                *(offset, made_by >> 8, fields[14]),
            )
        )
    if at != len(directory):
        raise ContainerError("The zip's central directory has bytes beyond its last entry.")
    return headers


def local_tail_length(record: bytes) -> int:
    """Return how many bytes of name and extra follow the first 30 of a local header."""
    if len(record) != LOCAL_LENGTH or not record.startswith(b"PK\x03\x04"):
        raise ContainerError("A zip entry's local header is not where the directory says.")
    name_n, extra_n = struct.unpack_from("<2H", record, 26)
    return int(name_n + extra_n)


def decode_local(record: bytes) -> Header:
    """Decode a local header with its name and extra field."""
    if len(record) != LOCAL_LENGTH + local_tail_length(record[:LOCAL_LENGTH]):
        raise ContainerError("A zip entry's local header runs beyond the end of the file.")
    needed, flags, method, time, day, crc, packed, size, name_n, extra_n = struct.unpack_from(
        "<5H3L2H", record, 4
    )
    name = record[LOCAL_LENGTH : LOCAL_LENGTH + name_n]
    is_wide = _MAX32 in {size, packed}
    if is_wide and size != packed:
        raise ContainerError("A zip entry's local header has one zip64 size; it must have both.")
    size, packed = _widen(record[LOCAL_LENGTH + name_n :], [size, packed])
    return Header(*(name, needed, flags, method, crc, packed, size, extra_n, is_wide, (time, day)))


MAX_NAME = 255
# Letters, digits and punctuation without a special meaning in any system or unpacker; Info-ZIP's
# unzip cuts a version number off at a semicolon.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'()+,./=@^_{}~\[\] -]+")
_DEVICE = re.compile(
    r"(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$)( *\..*)?", re.IGNORECASE
)


def check_name(raw: bytes) -> str:
    """Return the entry's name; raises ContainerError when it could lead out of the package.

    A name is a relative path of 1 to 255 bytes: ASCII letters, digits and some punctuation. Its
    parts are separated by `/`, are not empty, do not end in a dot or space and are not names of
    DOS devices. A final `/`, which marks a folder, is kept.
    """
    name = raw.decode("latin-1")
    shown = ascii(name[:60])
    if not raw or len(raw) > MAX_NAME:
        raise ContainerError(
            f"A zip entry's name has {len(raw)} bytes; 1 to {MAX_NAME} are allowed."
        )
    if not (name.isascii() and name.isprintable()):
        raise ContainerError(f"The zip entry {shown} has characters that no package uses.")
    if "\\" in name:
        raise ContainerError(f"The zip entry {shown} has a backslash in its name.")
    if name.startswith("/") or name[1:2] == ":":
        raise ContainerError(f"The zip entry {shown} has an absolute path as its name.")
    parts = name.removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ContainerError(f"The zip entry {shown} has a path that leads elsewhere as its name.")
    if _NAME.fullmatch(name) is None:
        raise ContainerError(
            f"The zip entry {shown} has characters in its name that not all systems allow."
        )
    if any(part[-1] in ". " or _DEVICE.fullmatch(part) for part in parts):
        raise ContainerError(
            f"The zip entry {shown} has a name that some systems read differently."
        )
    return name


def check_names(names: Iterable[str]) -> None:
    """Raise ContainerError when two entries have the same name, or a file is also a folder.

    Some file systems treat names that differ only in case as one name.
    """
    files, folders = dict[str, str](), set[str]()
    for name in names:
        plain = name.removesuffix("/").lower()
        if plain in files:
            same, other = name == files[plain], show_name(files[plain])
            clash = "twice" if same else f"and {other}, one name to some systems"
            raise ContainerError(f"The zip has {show_name(name)} {clash}.")
        files[plain] = name
        parts = plain.split("/")
        folders |= {"/".join(parts[:end]) for end in range(1, len(parts))}
    for plain, name in files.items():
        if plain in folders and not name.endswith("/"):
            raise ContainerError(f"The zip has {show_name(name)} both as a file and as a folder.")
