import struct

import pytest

from signer.ota.errors import ContainerError
from signer.ota.zip_records import (
    End,
    check_name,
    check_names,
    decode_directory,
    decode_end,
    decode_end64,
    decode_local,
    decode_locator,
    is_zip64,
    local_tail_length,
)
from tests.cases import case

WIDE = 0xFFFFFFFF


def _central(*, size: int = 5, extra: bytes = b"", offset: int = 7) -> bytes:
    head = struct.pack(
        "<4s6H3L5H2L",
        b"PK\x01\x02",
        *(20, 20, 0, 0, 0, 0, 0xABCD, size, size),
        *(1, len(extra), 0, 0, 0, 0, offset),
    )
    return head + b"n" + extra


def test_end_records() -> None:
    """Entries, size and offset are at bytes 10, 12 and 16; several disks are refused."""
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, 100, 200, 0)
    assert decode_end(record) == End(entries=3, size=100, offset=200)
    assert not is_zip64(decode_end(record))
    for end in (End(0xFFFF, 1, 1), End(1, WIDE, 1), End(1, 1, WIDE)):
        assert is_zip64(end)
    for place, value in ((4, 43), (16, 1), (20, 1), (24, 1)):
        numbers = (44, 45, 45, 0, 0, 2, 2, 3, 4)
        record = bytearray(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *numbers))
        record[place] = value
        with case(place), pytest.raises(ContainerError, match="malformed"):
            decode_end64(bytes(record))
    with pytest.raises(ContainerError, match="one part of several"):
        decode_locator(struct.pack("<4sLQL", b"PK\x06\x07", 0, 1, 2))


def test_zip64_values() -> None:
    """Zip64 values must be present exactly where they are referred to."""
    twice = struct.pack("<2HQ2HQ", 1, 8, 9, 1, 8, 7)  # readers differ in which one they use
    for directory, fault in (
        (_central(size=WIDE, extra=struct.pack("<2HQ", 1, 8, 9)), "other zip64 values"),
        (_central(extra=struct.pack("<2H", 1, 0)), "other zip64 values"),
        (_central(offset=WIDE, extra=twice), "extra field 0001 twice"),
    ):
        with case(fault), pytest.raises(ContainerError, match=fault):
            decode_directory(directory, 1)
    extra = struct.pack("<2HQ", 1, 8, 5)
    head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 45, 0, 0, 0, 0, 9, 5, WIDE, 1, len(extra))
    with pytest.raises(ContainerError, match="one zip64 size"):
        decode_local(head + b"n" + extra)


def test_extra_fields() -> None:
    """Padding, alignment and Java's mark are accepted.

    A field that only some readers heed is refused in either header, because they would see two
    different zips.
    """
    for extra, fault in (
        (b"\0\0\0", ""),
        (bytes(4095), ""),
        (b"\xfe\xca\0\0", ""),
        (b"\x35\xd9\2\0\4\0", ""),
        (b"\xfe\xca\0\0\x35\xd9\5\0\4\0\0\0\0", ""),
        (b"\x75\x70\x0e\0\1\0\0\0\0payload.b", "extra field 7075, which no package needs"),
        (b"UT\x05\0\1\0\0\0\0", "extra field 5455, which no package needs"),
        (b"\x35\xd9\xff\xff", "runs beyond its end"),
        (b"\0\0\0\0\0\0\1", "extra field 0000, which no package needs"),
        (b"\xfe\xca\0\0" * 2, "extra field cafe twice"),
    ):
        local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 9, 5, 5, 1, len(extra))
        for decode in (
            lambda extra=extra: decode_directory(_central(extra=extra), 1)[0],
            lambda local=local + b"n" + extra: decode_local(local),
        ):
            with case(extra):
                if not fault:
                    assert decode().size == 5
                    continue
                with pytest.raises(ContainerError, match=fault):
                    decode()


def test_local_headers() -> None:
    """They repeat what the directory has."""
    record = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 9, 4, 5, 1, 2) + b"n\0\0"
    assert local_tail_length(record[:30]) == 3
    header = decode_local(record)
    assert (header.name, header.method, header.packed_size, header.size) == (b"n", 8, 4, 5)
    with pytest.raises(ContainerError, match="beyond the end of the file"):
        decode_local(record[:-1])
    with pytest.raises(ContainerError, match="not where the directory says"):
        local_tail_length(b"PK\x03\x05" + record[4:30])


def test_length_of_directory() -> None:
    """The directory is exactly as long as its entries."""
    for directory, count, fault in (
        (b"", 1, "fewer entries"),
        (_central(), 2, "fewer entries"),
        (_central()[:-1], 1, "beyond its end"),
        (_central() + b"x", 1, "beyond its last entry"),
    ):
        with case(directory), pytest.raises(ContainerError, match=fault):
            decode_directory(directory, count)


def test_unsafe_names() -> None:
    """Names that a careless program could follow, print or cut are refused."""
    for raw in [
        *(b"", b"/", b"//", b"/a", b"..", b"../a", b"a/..", b"a/../b", b"./a", b"a//b", b"a/./b"),
        *(b"a.", b"a./b", b"a ", b"a /b", b"a:b", b"a*", b"a?", b'a"', b"a<b", b"a|b", b"a;1"),
        *(b"con", b"NUL.txt", b"a/aux", b"com1", b"lpt9.x", b"prn .x", b"CONIN$", b"clock$.txt"),
        *(b"c:a", b"a\\b", b"a\0b", b"a\nb", b"a\x7f", b"\xc3\xa4", b"a" * 256),
    ]:
        with case(raw), pytest.raises(ContainerError):
            check_name(raw)


def test_ambiguous_names() -> None:
    """Names that some file systems or readers take for one entry are refused."""
    check_names(["META-INF/", "META-INF/metadata", "META-INF/metadata.pb", "b", "b.c", "a/b"])
    for names, fault in (
        (["a", "b", "a"], "has a twice"),
        (["payload.bin", "PAYLOAD.BIN"], "has PAYLOAD.BIN and payload.bin, one name to some"),
        (["payload.bin", "Payload.bin/"], "has Payload.bin/ and payload.bin, one name to some"),
        (["a/b", "A/B"], "has A/B and a/b, one name to some"),
        (["payload.bin", "payload.bin/x"], "payload.bin both as a file and as a folder"),
        (["a/b/c", "A"], "has A both as a file and as a folder"),
    ):
        with case(names), pytest.raises(ContainerError, match=fault):
            check_names(names)
