"""TLS over an accepted socket: a client that works in memory decides which bytes come when."""

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
import weakref
from dataclasses import dataclass

import pytest

from server.http import listener, tls
from server.http.listener import TlsServer
from server.http.tls import PIECE, State, TlsTransport
from server.processes.serving import load_certificate, make_context
from tests.patience import PATIENCE
from tests.server.release.certificate import write_certificate


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """Return a server's TLS context and that of a client who trusts it."""
    chain, key, _ = write_certificate(tmp_path_factory.mktemp("tls"), "updates.example")
    client = ssl.create_default_context(cafile=str(chain))
    return make_context(load_certificate(chain, key)), client


class Protocol(asyncio.Protocol):
    """Notes what happens; `happened` is set each time."""

    def __init__(self):
        self.events, self.got, self.is_paused = [], b"", False
        self.happened = asyncio.Event()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        """Note that the handshake is over."""
        self.transport = transport
        self.note("made")

    def data_received(self, data):
        """Keep what came."""
        self.got += data
        self.happened.set()

    def eof_received(self):
        """Note that the client writes no more."""
        self.note("end")

    def pause_writing(self):
        """Note that the client takes nothing."""
        self.is_paused = True

    def resume_writing(self):
        """Note that it does."""
        self.is_paused = False
        self.happened.set()

    def connection_lost(self, exc):
        """Note the end, and why."""
        self.note("lost")
        self.lost.set_result(exc)

    def note(self, event):
        """Note an event."""
        self.events.append(event)
        self.happened.set()


@dataclass
class Pair:
    """A client's socket, its side of TLS in memory, and the server's transport and protocol."""

    wire: socket.socket
    client: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    transport: TlsTransport | None = None
    protocol: Protocol | None = None
    is_over: bool = False

    async def send(self, size=1 << 20):
        """Send what the client has written, `size` bytes at once."""
        while data := self.outgoing.read(size):
            await asyncio.get_running_loop().sock_sendall(self.wire, data)
            await asyncio.sleep(0)

    async def receive(self):
        """Receive once."""
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.wire, 1 << 16)
        self.incoming.write(data)
        self.is_over = self.is_over or not data
        return data

    async def do(self, call, size=1 << 20):
        """Call an operation of the client's until it has what it needs from the server."""
        while True:
            try:
                found = call()
            except ssl.SSLWantReadError:
                await self.send(size)
                assert await self.receive()
            else:
                await self.send(size)
                return found

    async def read(self, length):
        """Read exactly this many bytes."""
        got = b""
        while len(got) < length:
            got += await self.do(lambda: self.client.read(1 << 16))
        return got

    async def write(self, data):
        """Write a record."""
        self.client.write(data)
        await self.send()

    async def until(self, is_so):
        """Let the server work until `is_so` is true."""
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                self.protocol.happened.clear()
                await self.protocol.happened.wait()


@contextlib.asynccontextmanager
async def connected(contexts, *, shake=True, make=Protocol):
    """Connect a client; both sides are closed in the end."""
    server, client = contexts
    near, far = socket.socketpair()
    near.setblocking(False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = client.wrap_bio(incoming, outgoing, server_hostname="updates.example")
    pair = Pair(near, shaking, incoming, outgoing)

    def create(_transport):
        pair.protocol = make()
        return pair.protocol

    pair.transport = TlsTransport(asyncio.get_running_loop(), far, "", server, create)
    try:
        if shake:
            await pair.do(shaking.do_handshake)
            await pair.until(lambda: "made" in pair.protocol.events)
        yield pair
    finally:
        if pair.transport is not None:
            pair.transport.abort()
        near.close()
        await asyncio.sleep(0)


async def test_any_pieces(contexts):
    """Handshake and data may come byte by byte, and several records at once."""
    async with connected(contexts, shake=False) as pair:
        await pair.do(pair.client.do_handshake, size=1)
        pair.client.write(b"one")
        pair.client.write(b"two")
        await pair.send()
        await pair.until(lambda: pair.protocol.got == b"onetwo")
        await pair.write(b"three")
        pair.transport.writelines([b"four", b"", b"five"])
        assert await pair.read(8) == b"fourfive"
        await pair.until(lambda: pair.protocol.got == b"onetwothree")
        assert pair.protocol.events == ["made"]


async def test_a_client_that_takes_nothing(contexts):
    """The protocol is paused; what waits is not copied, and comes whole and in order."""
    document = bytes(range(256)) * 8192
    async with connected(contexts) as pair:
        pair.transport.write(document)
        assert pair.protocol.is_paused
        waiting = pair.transport.get_write_buffer_size()
        assert 4 * PIECE < waiting < len(document) + PIECE
        assert pair.transport._waiting[-1].obj is document  # not a copy
        pair.transport.write(b"last")
        assert await pair.read(len(document) + 4) == document + b"last"
        assert not pair.protocol.is_paused
        assert pair.transport.get_write_buffer_size() == 0


async def test_limits_of_the_buffer(contexts):
    """A new limit holds for what waits already; 0 is "until all is taken"."""
    async with connected(contexts) as pair:
        assert pair.transport.get_write_buffer_limits() == (16_384, 65_536)
        pair.transport.set_write_buffer_limits(high=1 << 30)
        pair.transport.write(bytes(1 << 20))
        assert not pair.protocol.is_paused
        pair.transport.set_write_buffer_limits(high=0)
        assert pair.protocol.is_paused
        await pair.read(1 << 20)
        await pair.until(lambda: not pair.protocol.is_paused)


async def test_a_pause_in_reading(contexts):
    """What was decrypted, what was received and what comes later waits for `resume_reading`."""

    class Pausing(Protocol):
        def data_received(self, data):
            super().data_received(data)
            pair.transport.pause_reading()

    async with connected(contexts, make=Pausing) as pair:
        for data in (b"1", b"2"):
            pair.client.write(data)
        await pair.send()
        await pair.until(lambda: pair.protocol.got)
        await pair.write(b"3")
        for got in (b"1", b"12", b"123"):
            assert (pair.protocol.got, pair.transport.is_reading()) == (got, False)
            pair.transport.resume_reading()
            await pair.until(lambda before=got: pair.protocol.got != before or before == b"123")


async def test_the_server_closes(contexts):
    """All that waits is sent, then `close_notify`; input is discarded until the client ends it."""
    async with connected(contexts) as pair:
        pair.transport.write(bytes(1 << 20))
        pair.transport.close()
        assert pair.transport.is_closing()
        pair.transport.write(b"too late")
        assert await pair.read(1 << 20) == bytes(1 << 20)
        assert await pair.do(lambda: pair.client.read(1)) == b""  # `close_notify`
        await pair.write(b"nobody reads this")
        await asyncio.sleep(0.01)
        assert pair.protocol.events == ["made"]
        pair.wire.shutdown(socket.SHUT_WR)
        assert await asyncio.wait_for(pair.protocol.lost, PATIENCE) is None
        assert pair.protocol.got == b""


async def test_a_client_that_does_not_end_it(contexts, monkeypatch):
    """It is cut after a while."""
    monkeypatch.setattr(tls, "END_SECONDS", 0.01)
    async with connected(contexts) as pair:
        pair.transport.close()
        assert await asyncio.wait_for(pair.protocol.lost, PATIENCE) is None


async def test_the_client_closes(contexts):
    """`close_notify` is answered by one, behind what waits; then the connection is closed."""
    async with connected(contexts) as pair:
        pair.transport.write(bytes(1 << 20))
        with pytest.raises(ssl.SSLWantReadError):
            pair.client.unwrap()
        await pair.send()
        await pair.until(pair.transport.is_closing)
        while not pair.is_over:
            await pair.receive()
        with pytest.raises(ssl.SSLError, match="application data after close notify"):
            pair.client.unwrap()  # which shows that the data was sent
        assert pair.protocol.events == ["made", "end", "lost"]
        assert pair.protocol.lost.result() is None


async def test_ends_without_close_notify(contexts):
    """An end of the stream is as good; one before the handshake calls `connection_lost` alone."""
    async with connected(contexts) as pair:
        pair.wire.close()
        await asyncio.wait_for(pair.protocol.lost, PATIENCE)
        assert pair.protocol.events == ["made", "end", "lost"]
    async with connected(contexts, shake=False) as pair:
        pair.wire.close()
        await asyncio.wait_for(pair.protocol.lost, PATIENCE)
        assert pair.protocol.events == ["lost"]


@pytest.mark.parametrize("shake", [False, True], ids=["first", "later"])
async def test_bytes_that_are_no_tls(contexts, shake):
    """The client is told by an alert, record type 21 of RFC 8446 section 5.1."""
    async with connected(contexts, shake=shake) as pair:
        pair.wire.sendall(bytes.fromhex("16030100050100000100"))  # a ClientHello of one byte
        assert isinstance(await asyncio.wait_for(pair.protocol.lost, PATIENCE), ssl.SSLError)
        answer = await pair.receive()
        assert answer[0] == (23 if shake else 21)  # an encrypted alert looks like data
        assert await pair.receive() == b""


async def test_abort(contexts):
    """What waits is dropped, and the protocol is told once, not inside of the call."""
    async with connected(contexts) as pair:
        pair.transport.write(bytes(1 << 20))
        pair.transport.abort()
        pair.transport.abort()
        assert pair.protocol.events == ["made"]
        assert pair.transport.get_write_buffer_size() == 0
        assert await asyncio.wait_for(pair.protocol.lost, PATIENCE) is None
        assert pair.transport.get_extra_info("socket").fileno() == -1
        assert pair.transport.get_extra_info("sockname", "gone") == "gone"


async def test_a_protocol_that_fails(contexts):
    """It is reported, and its connection ends; others go on."""

    class Failing(Protocol):
        def data_received(self, data):
            raise ValueError(data)

    reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, found: reports.append(found))
    async with connected(contexts, make=Failing) as pair:
        await pair.write(b"x")
        assert isinstance(await asyncio.wait_for(pair.protocol.lost, PATIENCE), ValueError)
    assert [str(each["exception"]) for each in reports] == ["b'x'"]


async def test_new_keys_that_nobody_takes(contexts):
    """A client that makes OpenSSL write, and takes nothing, is cut before it fills the memory."""
    async with connected(contexts) as pair:
        pair.transport.write(bytes(1 << 20))
        for _ in range(1000):  # an answer to a request for new keys comes without `write`, as here
            pair.transport._tls.write(bytes(1000))
            pair.transport._send_encrypted()
        assert pair.transport._state is State.CLOSED


async def test_nothing_is_left_of_a_connection(contexts):
    """Its objects go with its end, and do not wait for a collection of garbage."""
    gc.collect()
    gc.disable()
    try:
        async with connected(contexts) as pair:
            protocol = weakref.ref(pair.protocol)  # which has the transport
            pair.wire.close()
            await asyncio.wait_for(pair.protocol.lost, PATIENCE)
            pair.transport = pair.protocol = None
            assert protocol() is None
    finally:
        gc.enable()


async def test_no_descriptor_is_left(contexts, monkeypatch):
    """The server accepts again after a pause; a connection that is gone already is passed over."""
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)
    failures = [ConnectionAbortedError(), OSError(errno.EMFILE, "no descriptors")]

    class Exhausted(socket.socket):
        def accept(self):
            if failures:
                raise failures.pop(0)
            return super().accept()

    accepting = Exhausted(socket.AF_INET, socket.SOCK_STREAM)
    accepted = asyncio.get_running_loop().create_future()
    accepting.bind(("127.0.0.1", 0))
    address = accepting.getsockname()

    def create(transport):
        accepted.set_result(transport)
        return Protocol()

    server = TlsServer(accepting, contexts[0], create)
    with socket.create_connection(address) as client:
        transport = await asyncio.wait_for(accepted, PATIENCE)
        assert transport.get_extra_info("peername") == client.getsockname()
        assert transport.get_extra_info("sockname") == address
    server.close()
    server.close()
    assert failures == []
    transport.abort()
    await asyncio.sleep(0)
