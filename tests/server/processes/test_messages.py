"""Messages between processes, with any fragmentation and with invalid bytes."""

import asyncio
import contextlib
import socket
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.processes.errors import ChannelError
from server.processes.messages import LIMIT, Messages, encode_message, open_channel


class Word(msgspec.Struct, frozen=True, tag="word"):
    """A message."""

    text: str
    data: bytes = b""


class Number(msgspec.Struct, frozen=True, tag="number"):
    """Another message."""

    value: int


DECODER = msgspec.msgpack.Decoder(Word | Number)
MESSAGES = st.lists(
    st.builds(Word, st.text(), st.binary(max_size=300))
    | st.builds(Number, st.integers(-(2**63), 2**64 - 1)),
    max_size=6,
)


@given(MESSAGES, st.data())
def test_messages_survive_any_fragmentation(messages, data):
    """Messages arrive in order, however their bytes are split."""
    content = b"".join(map(encode_message, messages))
    places = st.integers(0, len(content))
    cuts = sorted({0, len(content), *data.draw(st.lists(places, max_size=10))})
    reader, found = Messages(DECODER), []
    for start, end in pairwise(cuts):
        found += reader.feed(content[start:end])
    assert found == messages


@given(MESSAGES.filter(bool), st.data())
def test_end_of_input_within_a_message(messages, data):
    """At an end within a message, the complete messages are delivered."""
    content = b"".join(map(encode_message, messages))
    last = len(encode_message(messages[-1]))
    reader = Messages(DECODER)
    cut = data.draw(st.integers(1, last - 1))
    assert list(reader.feed(content[:-cut])) == messages[:-1]


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data):
    """Arbitrary bytes are messages, the beginning of one, or raise our error."""
    reader, found = Messages(DECODER), []
    with contextlib.suppress(ChannelError):
        found.extend(reader.feed(data))
    assert all(isinstance(message, Word | Number) for message in found)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_in_a_valid_frame(data):
    """Arbitrary bytes with a correct length reach the decoder, with the same result."""
    reader = Messages(DECODER)
    try:
        (message,) = reader.feed(len(data).to_bytes(4, "big") + data)
    except ChannelError:
        return
    assert isinstance(message, Word | Number)


def test_message_size_limit():
    """A message of exactly the limit is accepted; a longer one is neither sent nor read."""
    room = LIMIT - len(msgspec.msgpack.encode(Word("", bytes(70_000)))) + 70_000
    largest = Word("", bytes(room))
    data = encode_message(largest)
    assert len(data) == LIMIT + 4
    assert list(Messages(DECODER).feed(data)) == [largest]
    with pytest.raises(ChannelError, match="over the limit"):
        encode_message(Word("", bytes(room + 1)))
    with pytest.raises(ChannelError, match="is over the limit"):
        list(Messages(DECODER).feed((LIMIT + 1).to_bytes(4, "big")))


def test_deep_nesting():
    """A message nested too deeply is refused."""
    data = b"\x91" * 100_000
    with pytest.raises(ChannelError):
        list(Messages(DECODER).feed(len(data).to_bytes(4, "big") + data))


async def test_messages_in_both_directions():
    """Both ends receive messages; a slow reader makes the sender wait."""
    ours, theirs = socket.socketpair()
    one, other = await open_channel(DECODER, ours), await open_channel(DECODER, theirs)
    sent = [Word(str(number), bytes(100_000)) for number in range(50)]

    async def send():
        for word in sent:
            await one.send(word)

    sending = asyncio.create_task(send())
    await asyncio.sleep(0)
    await other.send(Number(7))
    assert await one.receive() == [Number(7)]
    assert not sending.done()
    found = []
    while len(found) < len(sent):
        found += await other.receive()
    assert found == sent
    await sending
    one.close()
    assert await other.receive() == []
    other.close()


async def test_sender_ends_within_a_message():
    """If one end dies within a message, the other sees the end and no message."""
    ours, theirs = socket.socketpair()
    other = await open_channel(DECODER, theirs)
    ours.send(encode_message(Word("half"))[:-2])
    ours.close()
    assert await other.receive() == []
    other.close()
