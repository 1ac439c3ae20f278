"""The classic capture format, against bytes written by hand and against damage."""

import io
import struct

import pytest

from client_sim.lab.captures.frame import FRAME_LIMIT, Frame, Source
from client_sim.lab.captures.pcap import read_pcap
from client_sim.lab.errors import CaptureError

HEADER = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")
FRAME = bytes.fromhex("0000006a 20a10700 03000000 05000000") + b"abc"


def read(data):
    """Read all frames."""
    return list(read_pcap(Source(io.BytesIO(data))))


def test_a_frame_has_time_link_type_bytes_and_length():
    """0x6a000000 s and 500,000 microseconds; three of five bytes were kept."""
    assert read(HEADER + FRAME) == [Frame(1, 1778384896.5, 1, b"abc", 5)]


@pytest.mark.parametrize(
    ("order", "magic", "fraction", "parts"),
    [
        *((">", 0xA1B2C3D4, 250_000, 1e6), ("<", 0xA1B2C3D4, 250_000, 1e6)),
        *((">", 0xA1B23C4D, 250_000_000, 1e9), ("<", 0xA1B23C4D, 250_000_000, 1e9)),
    ],
)
def test_both_byte_orders_and_both_resolutions(order, magic, fraction, parts):
    """A quarter of a second is one, and check-sum bits above the link type are no part of it."""
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, 0x14000071)
    data += struct.pack(f"{order}IIII", 7, fraction, 1, 1) + b"x"
    assert read(data) == [Frame(1, 7 + fraction / parts, 113, b"x", 1)]


@pytest.mark.parametrize("cut", [*range(1, 24), *range(25, 24 + len(FRAME))])
def test_a_file_that_is_cut_off_is_refused(cut):
    """Wherever it ends but between frames, one sentence says where."""
    with pytest.raises(CaptureError, match=r"cut off in .* bytes from its beginning"):
        read((HEADER + FRAME)[:cut])


def test_a_capture_without_frames_has_none():
    """The header alone is a capture."""
    assert read(HEADER) == []


def test_a_frame_of_impossible_size_is_refused_before_it_is_read():
    """Its size is looked at first."""
    with pytest.raises(CaptureError, match="frame 1 is said to have 262145 bytes"):
        read(HEADER + struct.pack("<IIII", 0, 0, FRAME_LIMIT + 1, 1))


def test_another_version_is_refused():
    """Version 2 is the only one that there ever was."""
    with pytest.raises(CaptureError, match="version 3 of pcap"):
        read(HEADER[:4] + b"\3" + HEADER[5:])


def test_too_many_frames_are_refused(monkeypatch):
    """The number is limited, not only their bytes."""
    monkeypatch.setattr("client_sim.lab.captures.frame.FRAMES_LIMIT", 2)
    with pytest.raises(CaptureError, match="more than 2 frames"):
        read(HEADER + FRAME * 3)
