"""DNS messages of RFC 1035, with compressed and damaged names and with additional bytes."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.dns import (
    Answer,
    Question,
    read_answers,
    read_question,
    split_messages,
)

HEAD = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
NAME = b"\x07updates\x06HENING\x07example\0"
ASKED = NAME + b"\0\1\0\1"
PADDED = b"\0\x08\0\x0c\0\x04\0\0\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0"


def test_extra_bytes_of_a_question():
    """An empty OPT record and padding with zeros carry no data; other options and bytes do."""
    assert read_question(HEAD + ASKED) == Question(b"updates.HENING.example", 1, b"")
    for record, extra in (
        (OPT + b"\0\0", b""),
        (OPT + b"\0\x08\0\x0c\0\x04\0\0\0\0", b""),
        *((OPT + option, OPT + option) for option in (b"\0\x0c\0\x0a\0\x08clientID", PADDED)),
    ):
        query = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 1) + ASKED + record
        assert read_question(query).extra == extra
    assert read_question(HEAD + ASKED + b"more").extra == b"more"


def test_messages_without_a_question():
    """Responses, two questions, and looping or long names; over TCP, bytes without a length."""
    for message in (
        *(b"", HEAD[:11], HEAD, HEAD + NAME, HEAD + ASKED[:-1]),
        struct.pack(">HHHHHH", 7, 0x8180, 1, 0, 0, 0) + ASKED,
        struct.pack(">HHHHHH", 7, 0x0100, 2, 0, 0, 0) + ASKED + ASKED,
        HEAD + b"\xc0\x0c\0\1\0\1",
        HEAD + b"\x80a\0\0\1\0\1",
        HEAD + b"\x3f" + b"a" * 63 + (b"\x3f" + b"b" * 63) * 4 + b"\0\0\1\0\1",
    ):
        assert read_question(message) is None
    assert list(split_messages(b"\0\2ab\0\1c\0")) == [b"ab", b"c", b"\0"]


def test_answers_have_addresses_and_aliases():
    """An alias is followed by its addresses of both versions."""
    counts = struct.pack(">HHHHHH", 7, 0x8180, 1, 3, 0, 0)
    other = b"\0\5\0\1\0\0\0\x3c\0\x06\x03cdn\xc0\x14"
    four = b"\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\x0a"
    six = b"\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes.fromhex("20010db8000000000000000000000001")
    target = struct.pack(">H", 0xC000 | (12 + len(ASKED) + 2 + 10))
    message = counts + ASKED + b"\xc0\x0c" + other + target + four + target + six
    assert list(read_answers(message)) == [
        Answer(b"updates.hening.example", None, b"cdn.hening.example"),
        Answer(b"cdn.hening.example", "198.51.100.10", None),
        Answer(b"cdn.hening.example", "2001:db8::1", None),
    ]


@given(st.integers(0, 3), st.binary(max_size=80))
def test_arbitrary_bytes_are_read(count, data):
    """No exception is raised, and complete records are read whatever follows them."""
    read_question(data)
    read_question(HEAD + data)
    assert read_question(HEAD + ASKED + data).extra == data
    counts = struct.pack(">HHHHHH", 7, 0x8180, 1, 9, 0, 0)
    list(read_answers(data))
    list(read_answers(counts + data))
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64"
    records = b"".join(record + bytes([last]) for last in range(count))
    name = b"updates.hening.example"
    assert list(read_answers(counts + ASKED + records + data))[:count] == [
        Answer(name, f"198.51.100.{last}", None) for last in range(count)
    ]
