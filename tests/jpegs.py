"""JPEG files built after ITU-T T.81 annex B: plain ones, and files with hidden content.

The checks never decode coded data, so it is arbitrary.
"""

import struct

from tests.server.core.content.samples import JFIF, segment

TEXT = b"Call me under this number, it is free of charge and nobody listens"[:64]


def quantization(number=0, values=b"\1" * 64):
    """Return a table of 64 values, preceded by its number."""
    return bytes((number,)) + values


def codes(head, lengths=b"\1", values=b"\0"):
    """Return a table of Huffman codes: class and number, counts by length, values."""
    return bytes((head,)) + lengths.ljust(16, b"\0") + values


def dqt(*tables):
    """Return a segment of quantization tables."""
    return segment(0xDB, b"".join(tables))


def dht(*tables):
    """Return a segment of Huffman tables."""
    return segment(0xC4, b"".join(tables))


def frame(*components, marker=0xC0, width=64, height=64, bits=8):
    """Return a frame header; components are number, sampling and quantization table."""
    chosen = components or ((1, 0x11, 0),)
    head = struct.pack(">BHHB", bits, height, width, len(chosen))
    return segment(marker, head + b"".join(map(bytes, chosen)))


def scan(*components, band=(0, 63), bits=0, data=b"\1\2"):
    """Return a scan with its data; components are number and tables."""
    chosen = components or ((1, 0),)
    head = bytes((len(chosen),)) + b"".join(map(bytes, chosen)) + bytes((*band, bits))
    return segment(0xDA, head) + data


def restart(units, first=0):
    """Return coded data in this many pieces with restarts between them."""
    pieces = [b"\1" + bytes((0xFF, 0xD0 + (first + n) % 8)) for n in range(units - 1)]
    return b"".join(pieces) + b"\1"


def picture(*segments):
    """Return a file of these segments."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


Q, DC, AC = dqt(quantization()), dht(codes(0)), dht(codes(0x10))
HEAD = Q + DC + AC
THREE = ((1, 0x22, 0), (2, 0x11, 1), (3, 0x11, 1))
COLOURS = dqt(quantization(), quantization(1)) + DC + AC
PROGRESSIVE = frame(marker=0xC2)

#: Bytes of a picture by name; it has 64 by 64 pixels, unless the name gives its size.
SOUND = {
    "without a name": picture(HEAD, frame(), scan()),
    "JFIF 1.02": picture(JFIF.replace(b"\1\1\0\0\1", b"\1\2\0\0\1"), HEAD, frame(), scan()),
    "all tables in one segment": picture(
        Q, dht(codes(0), codes(0x10)), frame(), scan(data=b"\1\xff\0")
    ),
    "other numbers of tables": picture(
        dqt(quantization(3)), dht(codes(1), codes(0x11)), frame((1, 0x11, 3)), scan((1, 0x11))
    ),
    "the frame in front of its tables": picture(frame(), HEAD, scan()),
    # 64 units of 8x8: in pieces of 20, in pieces of 1, and in one piece.
    "restarts": picture(HEAD, frame(), segment(0xDD, b"\0\x14"), scan(data=restart(4))),
    "restarts of each unit": picture(HEAD, frame(), segment(0xDD, b"\0\1"), scan(data=restart(64))),
    "an interval of all units": picture(HEAD, frame(), segment(0xDD, b"\0\x40"), scan()),
    "no restarts": picture(HEAD, frame(), segment(0xDD, b"\0\0"), scan()),
    # Units of 16x16 together, 4 by 4 of them; and of 8x8 alone, 8 by 8, 4 by 4, 4 by 4.
    "three components together": picture(
        COLOURS,
        frame(*THREE),
        segment(0xDD, b"\0\1"),
        scan((1, 0), (2, 0), (3, 0), data=restart(16)),
    ),
    "three components one by one": picture(
        COLOURS,
        frame(*THREE),
        segment(0xDD, b"\0\1"),
        scan((1, 0), data=restart(64)),
        scan((2, 0), data=restart(16)),
        scan((3, 0), data=restart(16)),
    ),
    "progressive": picture(
        Q,
        DC,
        PROGRESSIVE,
        scan(band=(0, 0), bits=0x01),
        AC,
        scan(band=(1, 5), bits=0x02),
        dht(codes(0x13)),
        scan((1, 3), band=(6, 63), bits=0x02),
        scan(band=(1, 63), bits=0x21),
        scan(band=(0, 0), bits=0x10),
    ),
    "64 scans": picture(Q, DC, PROGRESSIVE, scan(band=(0, 0)), AC, *[scan(band=(1, 63))] * 63),
}

#: Name and bytes by the server's refusal.
_BROKEN = {
    "APP0": {
        "JFIF of another version": picture(
            JFIF.replace(b"\1\1\0\0\1", b"\1\3\0\0\1"), HEAD, frame(), scan()
        ),
        "a density that says something": picture(
            JFIF.replace(b"\0\1\0\1\0\0", b"id:7\0\0"), HEAD, frame(), scan()
        ),
    },
    "quantization": {
        "quantization of 16 bits": picture(
            dqt(quantization(0x10, b"\0\1" * 64)), DC, AC, frame(), scan()
        ),
        "text where a table ends": picture(dqt(quantization(), b"hello"), DC, AC, frame(), scan()),
        "text for a table": picture(dqt(TEXT), DC, AC, frame(), scan()),
        "a divisor of 0": picture(
            dqt(quantization(values=b"\1" * 63 + b"\0")), DC, AC, frame(), scan()
        ),
        "no quantization": picture(DC, AC, frame(), scan()),
        "an empty segment of quantization": picture(HEAD, dqt(), frame(), scan()),
        "quantization that nobody uses": picture(HEAD, dqt(quantization(1, TEXT)), frame(), scan()),
    },
    "quantization|frame": {
        "a table number 4": picture(dqt(quantization(4)), DC, AC, frame((1, 0x11, 4)), scan())
    },
    "quant": {"quantization twice": picture(dqt(quantization(values=TEXT)), HEAD, frame(), scan())},
    "FFDB": {"quantization behind a scan": picture(HEAD, frame(), scan(), Q)},
    "no scan uses": {
        "codes that nobody uses": picture(HEAD, dht(codes(1)), frame(), scan()),
        "codes twice": picture(DC, HEAD, frame(), scan()),
        "codes behind the last scan": picture(HEAD, frame(), scan(), AC),
        "an interval behind the last scan": picture(HEAD, frame(), scan(), segment(0xDD, b"hi")),
    },
    "Huffman": {
        "text behind codes": picture(Q, DC, dht(codes(0x10), b"hello"), frame(), scan()),
        "text for codes": picture(Q, DC, dht(TEXT), frame(), scan()),
        "an empty segment of codes": picture(HEAD, dht(), frame(), scan()),
        "codes of a class 2": picture(HEAD, dht(codes(0x20)), frame(), scan()),
        "codes number 4": picture(HEAD, dht(codes(4)), frame(), scan()),
    },
    "too many codes": {
        "more codes than there are": picture(
            Q, DC, dht(codes(0x10, b"\3", b"\0\1\2")), frame(), scan()
        ),
        "a code of ones": picture(Q, DC, dht(codes(0x10, b"\2", b"\0\1")), frame(), scan()),
        "a code of 16 ones": picture(
            Q,
            DC,
            dht(codes(0x10, b"\1" * 15 + b"\2", bytes(range(1, 11)) + bytes(range(17, 24)))),
            frame(),
            scan(),
        ),
    },
    "value twice": {
        "a value twice": picture(Q, DC, dht(codes(0x10, b"\0\2", b"\1\1")), frame(), scan())
    },
    "without meaning": {
        "a difference of 12 bits": picture(Q, dht(codes(0, values=b"\x0c")), AC, frame(), scan()),
        "a coefficient of 11 bits": picture(
            Q, DC, dht(codes(0x10, values=b"\x1b")), frame(), scan()
        ),
    },
    "invalid number": {
        "codes number 2 in a baseline": picture(Q, dht(codes(2)), AC, frame(), scan((1, 0x20)))
    },
    "not there": {"a scan without codes": picture(Q, DC, frame(), scan())},
    "frame is malformed": {
        "components that begin at 0": picture(HEAD, frame((0, 0x11, 0)), scan((0, 0))),
        "component ids of text": picture(
            COLOURS, frame((73, 0x22, 0), (77, 0x11, 1), (69, 0x11, 1)), scan((73, 0))
        ),
        "a sampling of 5": picture(HEAD, frame((1, 0x51, 0)), scan()),
        "a sampling of 0": picture(HEAD, frame((1, 0x10, 0)), scan()),
    },
    "does not have": {
        "a scan of another component": picture(HEAD, frame(), scan((2, 0))),
        "a component twice": picture(COLOURS, frame(*THREE), scan((1, 0), (1, 0), (2, 0))),
        "components out of order": picture(COLOURS, frame(*THREE), scan((1, 0), (3, 0), (2, 0))),
    },
    "malformed": {"a scan of two, and one is there": picture(HEAD, frame(), scan((1, 0), (2, 0)))},
    "each component once": {
        "components missing": picture(COLOURS, frame(*THREE), scan()),
        "a second scan of a baseline": picture(HEAD, frame(), scan(), scan()),
    },
    "ten blocks": {
        "eleven blocks": picture(
            COLOURS, frame((1, 0x33, 0), (2, 0x11, 1), (3, 0x11, 1)), scan((1, 0), (2, 0), (3, 0))
        )
    },
    "invalid spectral": {
        "a band of a baseline": picture(HEAD, frame(), scan(band=(0, 62))),
        "a bit of a baseline": picture(HEAD, frame(), scan(bits=1)),
        "all at once, progressively": picture(HEAD, PROGRESSIVE, scan()),
        "a band that goes back": picture(Q, AC, PROGRESSIVE, scan(band=(5, 4))),
        "a band of 64": picture(Q, AC, PROGRESSIVE, scan(band=(1, 64))),
        "a bit of 14": picture(Q, DC, PROGRESSIVE, scan(band=(0, 0), bits=14)),
        "two bits at once": picture(Q, DC, PROGRESSIVE, scan(band=(0, 0), bits=0x31)),
        "a band of three components": picture(
            dqt(quantization(), quantization(1)),
            AC,
            frame(*THREE, marker=0xC2),
            scan((1, 0), (2, 0), (3, 0), band=(1, 5)),
        ),
    },
    "does not use": {
        "codes that a scan does not need": picture(
            Q, DC, AC, PROGRESSIVE, scan((1, 1), band=(0, 0))
        )
    },
    "scan is malformed": {
        "a scan header of text": picture(
            HEAD, frame(), segment(0xDA, b"\1\1\0\0\x3f\0hello") + b"\1"
        )
    },
    "without data": {
        "a scan without data": picture(HEAD, frame(), scan(data=b"")),
        "two restarts together": picture(
            HEAD, frame(), segment(0xDD, b"\0\x20"), scan(data=b"\xff\xd0\1")
        ),
        "a restart at the end": picture(
            HEAD, frame(), segment(0xDD, b"\0\x20"), scan(data=b"\1\xff\xd0")
        ),
    },
    "restarts that its": {
        "restarts that nobody announced": picture(HEAD, frame(), scan(data=restart(4))),
        "a restart too many": picture(
            HEAD, frame(), segment(0xDD, b"\0\x14"), scan(data=restart(5))
        ),
        "a restart too few": picture(
            HEAD, frame(), segment(0xDD, b"\0\x14"), scan(data=restart(3))
        ),
        "restarts that count from 1": picture(
            HEAD, frame(), segment(0xDD, b"\0\x14"), scan(data=restart(4, first=1))
        ),
    },
    "restart interval": {
        "an interval of text": picture(HEAD, frame(), segment(0xDD, b"hello"), scan()),
        "two intervals": picture(
            HEAD, frame(), segment(0xDD, b"hi"), segment(0xDD, b"\0\0"), scan()
        ),
    },
    "more than 64": {
        "65 scans": picture(Q, DC, PROGRESSIVE, scan(band=(0, 0)), AC, *[scan(band=(1, 63))] * 64)
    },
    "FFDC": {
        "a number of lines behind the scan": picture(
            HEAD, frame(), scan(), segment(0xDC, b"\0\x40")
        )
    },
}
#: Bytes and the server's refusal by name.
BROKEN = {name: (data, said) for said, found in _BROKEN.items() for name, data in found.items()}
