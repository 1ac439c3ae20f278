"""Pcap and pcapng files are read in both byte orders, and damaged ones are refused."""

import io
import struct

import pytest

from client_sim.lab.captures.packet_files import (
    FRAME_LIMIT,
    Frame,
    Secrets,
    Source,
    UnknownBlock,
    read_pcap,
    read_pcapng,
)
from client_sim.lab.errors import CaptureError
from fixtures.capture_writer import block
from tests.cases import case

HEADER = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")
FRAME = bytes.fromhex("0000006a 20a10700 03000000 05000000") + b"abc"


def classic(data):
    """Read all frames of a pcap."""
    return list(read_pcap(Source(io.BytesIO(data))))


def read(data):
    """Read everything in a pcapng."""
    return list(read_pcapng(Source(io.BytesIO(data))))


def test_read_pcap():
    """Both byte orders and resolutions are read, and a header without frames.

    The frame is at 0x6a000000 s and 500,000 microseconds, and has three of five bytes. Bits above
    the link type do not belong to it.
    """
    assert classic(HEADER + FRAME) == [Frame(1, 1778384896.5, 1, b"abc", 5)]
    assert classic(HEADER) == []
    for order in "<>":
        for magic, fraction in ((0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)):
            data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 0x14000071)
            data += struct.pack(f"{order}IIII", 7, fraction, 1, 1) + b"x"
            assert classic(data) == [Frame(1, 7.25, 113, b"x", 1)]


def section(order="<"):
    """Return a section header block."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link, order="<", options=b"", snap=0):
    """Return an interface description block."""
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options, order)


def packet(place, ticks, data, order="<"):
    """Return an enhanced packet block."""
    high, low = divmod(ticks, 1 << 32)
    head = struct.pack(f"{order}IIIII", place, high, low, len(data), len(data))
    return block(6, head + data, order)


NANO = struct.pack("<HHB3x", 9, 1, 9)
BINARY = struct.pack("<HHB3x", 9, 1, 0x80 | 10)
LATER = struct.pack("<HHq", 14, 8, 100)
WHOLE = section() + interface(1) + packet(0, 0, b"abcd")


def test_times_have_the_resolution_and_offset_of_their_interface():
    """Resolutions of 10^-6 (the default), 10^-9 and 2^-10 s, an offset, and older packet blocks."""
    data = section() + interface(1) + interface(101, options=NANO)
    data += interface(113, options=BINARY + LATER)
    data += packet(0, 1_500_000, b"a") + packet(1, 1_500_000_000, b"bc") + packet(2, 1536, b"d")
    assert read(data) == [
        Frame(1, 1.5, 1, b"a", 1),
        Frame(2, 1.5, 101, b"bc", 2),
        Frame(3, 101.5, 113, b"d", 1),
    ]
    simple = block(3, struct.pack("<I", 9) + b"abcd")
    assert read(section() + interface(1, snap=4) + simple) == [Frame(1, 0.0, 1, b"abcd", 9)]
    old = block(2, struct.pack("<HHIIII", 0, 7, 0, 2_000_000, 1, 1) + b"x")
    assert read(section() + interface(1) + old) == [Frame(1, 2.0, 1, b"x", 1)]


def test_section_has_its_own_order_and_interfaces():
    """Frames are counted over all sections."""
    data = section("<") + interface(1, "<") + packet(0, 0, b"a", "<")
    data += section(">") + interface(101, ">") + packet(0, 0, b"b", ">")
    assert [(f.number, f.link, f.data) for f in read(data)] == [(1, 1, b"a"), (2, 101, b"b")]
    with pytest.raises(CaptureError, match="of an interface that the capture does not describe"):
        read(section() + interface(1) + section() + packet(0, 0, b"a"))


def test_keys_and_unknown_blocks_are_returned():
    """Blocks of names and of statistics are skipped."""
    keys = block(10, struct.pack("<II", 0x544C534B, 5) + b"KEYS\n")
    foreign = block(10, struct.pack("<II", 0x57474B4C, 4) + b"WIRE")
    data = section() + keys + foreign + block(4, b"") + block(5, b"\0" * 12) + block(9, b"log!")
    assert read(data) == [
        Secrets(b"KEYS\n"),
        UnknownBlock("pcapng secrets of type 0x57474b4c", b"WIRE"),
        UnknownBlock("pcapng block of type 0x9", b"log!"),
    ]


def test_truncated_file_is_refused():
    """The message names the offset, unless the file ends between frames or blocks."""
    for cut in {*range(1, len(HEADER + FRAME))} - {len(HEADER)}:
        with pytest.raises(CaptureError, match=r"cut off in .* bytes from its beginning"):
            classic((HEADER + FRAME)[:cut])
    for cut in {*range(1, len(WHOLE))} - {28, 48}:
        with pytest.raises(CaptureError):
            read(WHOLE[:cut])
    assert read(WHOLE[:28]) == read(WHOLE[:48]) == []


def test_damaged_file_is_refused():
    """Only CaptureError is raised, and sizes are checked before reading."""
    for reader, data, words in (
        (classic, HEADER[:4] + b"\3" + HEADER[5:], "version 3 of pcap"),
        (classic, HEADER + struct.pack("<IIII", 0, 0, FRAME_LIMIT + 1, 1), "have 262145 bytes"),
        (read, interface(1), "not a pcapng"),
        (read, block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4E, 1, 0, -1)), "no byte order"),
        (read, block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), "version 2"),
        (read, block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D)), "not a pcapng|too short"),
        (read, section() + struct.pack("<II", 6, 13), "claims to have 13 bytes"),
        (read, section() + struct.pack("<II", 6, 1 << 30), "claims to have"),
        (read, section() + packet(0, 0, b"a")[:-4] + b"\x40\0\0\0", "two lengths of the block"),
        (read, section() + interface(1) + block(6, b"\0" * 16), "longer than its block"),
        (read, WHOLE + block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9)), "longer than"),
        (read, section() + block(1, b"\0" * 4), "interface is too short"),
        (read, section() + block(10, b"\0" * 4), "keys is too short"),
        (read, section() + block(10, struct.pack("<II", 0x544C534B, 9)), "shorter than it says"),
        (read, section() + interface(1) * 1025, "too many interfaces"),
    ):
        with case(reader, data, words), pytest.raises(CaptureError, match=words):
            reader(data)


def test_numbers_of_frames_and_blocks_are_limited(monkeypatch):
    """The limit is that of the file, not of a section."""
    monkeypatch.setattr("client_sim.lab.captures.packet_files.FRAMES_LIMIT", 2)
    with pytest.raises(CaptureError, match="more than 2 frames"):
        classic(HEADER + FRAME * 3)
    monkeypatch.setattr("client_sim.lab.captures.packet_files._BLOCKS_LIMIT", 5)
    counters = block(5, b"")
    assert read(section() + counters * 4) == []
    for data in (section() + counters * 5, section() * 6):
        with pytest.raises(CaptureError, match="more than 5 blocks"):
            read(data)
