"""The key process's socket: which clients are answered."""

import asyncio
import contextlib
import socket
import stat

import pytest

from server.keys import service as module
from server.publisher.errors import PublishError
from server.publisher.keys import messages
from server.publisher.keys.holder import open_keys
from server.publisher.keys.messages import (
    HEAD,
    Adopt,
    Describe,
    Held,
    Refused,
    decode_answer,
    decode_head,
    encode_frame,
)
from server.publisher.keys.rotation import make_next_keys
from server.publisher.publisher import Publisher
from server.publisher.verify import RoleVersion
from server.storage.errors import StorageError
from tests.patience import PATIENCE


def receive(one):
    """Read one answer; return None if the connection was closed."""
    data = b""
    while part := one.recv(1 << 16):
        data += part
    if not data:
        return None
    assert decode_head(data[:HEAD]) == len(data) - HEAD
    return decode_answer(data[HEAD:])


def connect(process):
    """Open a connection to the key process."""
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(30)
    one.connect(str(process.socket))
    return one


def send(process, data):
    """Send bytes over a new connection and return the answer."""
    with connect(process) as one:
        one.sendall(data)
        return receive(one)


def test_socket_mode(apart):
    """The socket is for its owner and group, in a private folder.

    A folder that is open to all users is refused.
    """
    _, process = apart
    folder = process.socket.parent
    assert stat.S_IMODE(process.socket.stat().st_mode) == 0o660
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    process.stop()
    folder.chmod(0o755)
    with pytest.raises(StorageError, match="is open to all users"):
        process.start()
    folder.chmod(0o700)
    process.start()


def test_malformed_frames(apart, monkeypatch):
    """A malformed frame is refused, and the next request is answered.

    A client that is silent or sends half a request is disconnected after a while.
    """
    _, process = apart
    for data in (bytes(4), b"\xff" * 4, b"\0\0\0\3abc", b"\0\0\0\1\xc0"):
        assert isinstance(send(process, data), Refused)
        assert isinstance(send(process, encode_frame(Describe(""))), Held)
    with connect(process) as one:
        one.sendall(encode_frame(Describe(""))[:-1])
    monkeypatch.setattr(module, "RECEIVE_SECONDS", 0.1)
    with connect(process) as one:
        assert receive(one) is None
    assert isinstance(send(process, encode_frame(Describe(""))), Held)


def test_large_request(apart):
    """A large request is read completely and answered."""
    _, process = apart
    files = [RoleVersion("armani", 1, bytes(4_000_000)) for _ in range(5)]
    refused = send(process, encode_frame(Adopt(files)))
    assert "what is public has 0 timestamps" in refused.reason


def test_requests_are_decoded_one_at_a_time(apart, monkeypatch):
    """Requests are decoded under one lock of all connections, as decoding takes much memory."""
    _, process = apart
    locks, held = [], []
    decode = messages.decode_request

    class RecordedLock(asyncio.Lock):
        def __init__(self):
            super().__init__()
            locks.append(self)

    def decode_request(body):
        held.append([lock.locked() for lock in locks])
        return decode(body)

    process.stop()
    monkeypatch.setattr(asyncio, "Lock", RecordedLock)
    monkeypatch.setattr(messages, "decode_request", decode_request)
    process.start()
    for _ in range(2):
        assert isinstance(send(process, encode_frame(Describe(""))), Held)
    assert held == [[True], [True]]


def test_connection_limit(apart, monkeypatch):
    """Connections above the limit are closed immediately, until other ones have ended."""
    _, process = apart
    monkeypatch.setattr(module, "RECEIVE_SECONDS", PATIENCE)
    with contextlib.ExitStack() as stack:
        for _ in range(module.CONNECTIONS):
            stack.enter_context(connect(process))
        with connect(process) as late:
            assert receive(late) is None
    assert isinstance(send(process, encode_frame(Describe(""))), Held)


def test_unlisted_key_is_not_promoted(apart):
    """A next key that root does not list cannot be promoted, whatever the request."""
    world, process = apart
    world.run(Publisher.repair)
    holder = open_keys(world.folder)
    holder.create_next(["snapshot"], afresh=False)
    with pytest.raises(PublishError, match="does not list the next key of snapshot"):
        holder.promote(["snapshot"])
    assert (process.keys / "snapshot.next.pem").exists()


def test_next_key_listed_alone_is_not_replaced(apart):
    """A next key that is listed alone is not replaced, whatever the request."""
    world, process = apart
    world.run(lambda publisher: make_next_keys(publisher, world.folder, ["timestamp"]))
    following = open_keys(world.folder).load().next_signers["timestamp"].public_key
    files = {("root", 2): world.ceremony.root(2, {"timestamp": [following]})}
    assert world.publish(files).reason == ""
    before = (process.keys / "timestamp.next.pem").read_bytes()
    with pytest.raises(PublishError, match="is listed alone and signs already"):
        open_keys(world.folder).create_next(["timestamp"], afresh=True)
    assert (process.keys / "timestamp.next.pem").read_bytes() == before
