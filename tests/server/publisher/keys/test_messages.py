"""Frames between publisher and key process: decoding is strict and inverts encoding."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.publisher.keys.messages import (
    FRAME_LIMIT,
    HEAD,
    Adopt,
    ContinueLog,
    Describe,
    Done,
    Held,
    Leaves,
    LogSize,
    MakeNext,
    Publish,
    ReadLeaves,
    Refused,
    Signature,
    SignCheckpoint,
    Signed,
    SwitchTo,
    Unexpected,
    Unknown,
    decode_answer,
    decode_head,
    decode_request,
    encode_frame,
)
from server.publisher.verify import RoleVersion
from tests.cases import case

FILE = RoleVersion("armani", 3, b"{}")
REQUESTS = [
    Describe("a" * 64),
    Publish(
        "",
        datetime(2026, 11, 28, tzinfo=UTC),
        [FILE],
        {"latest/armani/id/stable": {"v": 1}},
        True,
        {"latest": 7},
        {"armani": [1, 2]},
    ),
    Adopt([FILE]),
    SignCheckpoint("hening.example/log+0+0", b"text", 3, [b"leaf"], [bytes(32)]),
    ContinueLog(b"note", 3, [b"leaf"]),
    ReadLeaves(3),
    MakeNext("", ["latest", "log"], False),
    SwitchTo("", ["snapshot"]),
]
ANSWERS = [
    Held({"latest": ["00"]}, ["log"], 3, True),
    Signed([FILE], b"{}", 4),
    Signature(bytes(64)),
    Leaves([b"leaf"], bytes(32)),
    LogSize(2),
    Unexpected("no"),
    Unknown(),
    Done(),
    Refused("no", False),
]


def test_message_round_trip():
    """A frame is a four-byte length and a message, which only the right side decodes."""
    decoders = decode_request, decode_answer
    for messages, (decode, other) in ((REQUESTS, decoders), (ANSWERS, decoders[::-1])):
        for message in messages:
            with case(type(message).__name__):
                frame = encode_frame(message)
                assert decode_head(frame[:HEAD]) == len(frame) - HEAD
                assert decode(frame[HEAD:]) == message
                with pytest.raises(FormatError, match="a message between publisher and key proc"):
                    other(frame[HEAD:])


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    """Arbitrary bytes raise FormatError only."""
    for decode in (decode_request, decode_answer):
        with pytest.raises(FormatError):
            decode(data)


@given(st.sampled_from(REQUESTS), st.data())
def test_changed_byte(request_, data):
    """A request with a changed byte decodes to a request or raises FormatError."""
    body = bytearray(encode_frame(request_)[HEAD:])
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = decode_request(bytes(body))
    except FormatError:
        return
    assert type(read) in {type(each) for each in REQUESTS}


def test_unknown_key_names():
    """Only the four known key names are accepted, because a name becomes a file name."""
    for names in ([], ["armani"], ["../log"], ["log\n"], ["log"] * 5):
        body = msgspec.msgpack.encode(MakeNext("", names, False))
        with case(names), pytest.raises(FormatError):
            decode_request(body)


def test_frame_limit():
    """A length above the limit, or of zero, is refused; the limit itself is accepted."""
    for length in (0, FRAME_LIMIT + 1, 2**32 - 1):
        with pytest.raises(FormatError, match="over the limit"):
            decode_head(length.to_bytes(4))
    assert decode_head(FRAME_LIMIT.to_bytes(4)) == FRAME_LIMIT


def test_deep_nesting():
    """A pointer may be any value; one nested too deeply for the decoder raises FormatError."""
    body = msgspec.msgpack.encode(REQUESTS[1])
    pointer = msgspec.msgpack.encode({"v": 1})
    assert body.count(pointer) == 1
    assert isinstance(decode_request(body.replace(pointer, b"\x91" * 5 + b"\x90")), Publish)
    with pytest.raises(FormatError, match="a message between"):
        decode_request(body.replace(pointer, b"\x91" * 100_000 + b"\x90"))
