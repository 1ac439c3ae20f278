"""Connections to the examined server, from chosen addresses and with exact bytes.

A `Sender` sends planted requests and questions, and records the client's end of each connection.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.server_side.equal_answers import Question, Reply
from client_sim.lab.server_side.inputs import Site
from client_sim.lab.server_side.planting import Delivery, Planted

_CONNECTING: Final = 10.0  # seconds
_PATIENCE: Final = 5.0  # seconds without data; then reading of answers ends
_MOST: Final = 64 * 1024 * 1024  # bytes of an answer; more than a block of a package
Peer = tuple[str, int]
Exchange = tuple[bytes, Peer]
"""The bytes received on a connection, and the client's address and port."""

_SAMPLE_STEP: Final = 5


@contextlib.contextmanager
def connect(
    site: Site, source: str, *, name: str = "", alpn: str = ""
) -> Iterator[tuple[socket.socket, Peer]]:
    """Connect from an address, with TLS if the site has it; yield the socket and the own address.

    Certificates are not verified, because nothing confidential is sent. Raise
    EnvironmentFailedError if the server does not listen or `source` is not a local address, and
    OSError if the handshake fails.
    """
    with contextlib.ExitStack() as stack:
        try:
            plain = stack.enter_context(
                socket.create_connection(
                    (site.address, site.port), _CONNECTING, (source, 0) if source else None
                )
            )
        except OSError as error:
            raise EnvironmentFailedError(
                f"{site.address}:{site.port} cannot be reached from {source or 'here'} ({error}): "
                f"start the server, or name an address of this machine with --source"
            ) from error
        peer: Peer = plain.getsockname()[:2]
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not site.tls:
            yield plain, peer
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # does not load the system's CAs
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols([alpn])
        yield (
            stack.enter_context(context.wrap_socket(plain, server_hostname=name or site.name)),
            peer,
        )


def ask(
    site: Site,
    data: bytes,
    source: str,
    *,
    heads: Sequence[bool] = (False,),
    delivery: Delivery = Delivery.WHOLE,
    name: str = "",
    alpn: str = "",
) -> Exchange:
    """Send bytes on a new connection and read as many answers as `heads` is long.

    Each item of `heads` says whether the answer is to a HEAD request.
    """
    answer = b""
    peer: Peer = (source, 0)
    with (
        contextlib.suppress(OSError),  # a server may close the connection, even in a handshake
        connect(site, source, name=name, alpn=alpn) as (connection, ends),
    ):
        peer = ends
        if delivery is Delivery.CUT:
            connection.sendall(data[: len(data) // 2])
            data = data[len(data) // 2 :]
        with contextlib.suppress(OSError):  # data sent before a close can still be read
            connection.sendall(data)
        if delivery is Delivery.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.settimeout(_PATIENCE)
            for piece in _receive(connection):
                answer += piece
                if len(answer) > _MOST or is_whole(answer, heads):
                    break
    return answer, peer


def send_unfinished(
    site: Site, starts: Sequence[bytes], source: str, act: Callable[[], None]
) -> tuple[Exchange, ...]:
    """Send the beginnings of requests on connections that remain open while `act` runs."""
    with contextlib.ExitStack() as stack:
        opened = []
        for data in starts:
            connection, peer = stack.enter_context(connect(site, source))
            connection.sendall(data)
            opened.append((connection, peer))
        act()
        exchanges = []
        for connection, peer in opened:
            connection.settimeout(0.01)
            exchanges.append((b"".join(_receive(connection)), peer))
        return tuple(exchanges)


def _receive(connection: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            yield piece


def is_whole(data: bytes, heads: Sequence[bool]) -> bool:
    """Return whether as many answers arrived as `heads` is long; non-HTTP bytes count as one."""
    for is_head in heads:
        end = 0
        while end >= 0:
            end = _find_end(data, is_head=is_head)
            if end < 0 or not data.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
                break
            data = data[end:]  # an informational answer (1xx); the final one follows
        if end < 0:
            return False
        data = data[end:]
    return True


def _find_end(data: bytes, *, is_head: bool) -> int:
    """Return the offset of the end of the first answer, or -1 if it is not known yet."""
    if data and not b"HTTP/1.".startswith(data[:7]):
        return len(data)
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return -1
    start = len(head) + 4
    status = head[9:12]
    if is_head or status in {b"204", b"304"} or status.startswith(b"1"):
        return start
    fields = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
    values = {name.strip(): value.strip() for name, _, value in fields}
    if values.get(b"transfer-encoding") == b"chunked":
        last = (
            body.find(b"0\r\n\r\n")
            if body.startswith(b"0\r\n\r\n")
            else body.find(b"\r\n0\r\n\r\n")
        )
        return -1 if last < 0 else start + last + (5 if body.startswith(b"0\r\n\r\n") else 7)
    length = values.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 18 or len(body) < int(length):
        return -1
    return start + int(length)


@dataclass(slots=True)
class Sender:
    """A client of one server with some addresses; `peers` are its ends of all connections."""

    site: Site
    sources: Sequence[str]
    peers: list[Peer] = field(default_factory=list)

    def get(self, data: bytes, source: str | None = None, *, is_head: bool = False) -> bytes:
        """Send one request, from the first address unless `source` is given; return the answer."""
        exchange = ask(
            self.site,
            data,
            self.sources[0] if source is None else source,
            heads=(is_head,),
        )
        return self._record(exchange)

    def send(self, planted: Sequence[Planted], step: Callable[[], None]) -> list[bytes]:
        """Send planted requests in order, while the unfinished ones remain open; return answers."""
        answers: list[bytes] = []
        unfinished = [each for each in planted if each.template.delivery is Delivery.UNFINISHED]

        def send_others() -> None:
            for each in planted:
                if each.template.delivery is not Delivery.UNFINISHED:
                    answers.append(self._send(each))
                    step()

        starts = [each.data for each in unfinished]
        for exchange in send_unfinished(self.site, starts, self.sources[0], send_others):
            answers.append(self._record(exchange))
            step()
        return answers

    def ask_all(self, questions: Sequence[Question]) -> dict[str, bytes]:
        """Ask each question once; return the answers by group."""
        return {each.group: self.get(each.data, is_head=each.is_head) for each in questions}

    def ask_from_all_sources(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask from every address, and again from the first one.

        The first two addresses ask all questions. The others, which are there to find answers that
        depend on a bit of the address, ask every fifth.
        """
        return [
            Reply(
                each.group,
                source or "this machine's address",
                self.get(each.data, source, is_head=each.is_head),
            )
            for number, source in enumerate((*self.sources, self.sources[0]))
            for each in questions[:: 1 if number < 2 else _SAMPLE_STEP]
        ]

    def require_answer(self, data: bytes) -> None:
        """Raise EnvironmentFailedError unless the server answers in HTTP/1."""
        if not self.get(data).startswith(b"HTTP/1."):
            raise EnvironmentFailedError(
                f"{self.site.address}:{self.site.port} does not answer in HTTP/1: is the URL right?"
            )

    def _send(self, planted: Planted) -> bytes:
        template = planted.template
        return self._record(
            ask(
                self.site,
                planted.data,
                self.sources[0],
                heads=(template.heads,) * template.answers,
                delivery=template.delivery,
                name=planted.name,
                alpn=planted.alpn,
            )
        )

    def _record(self, exchange: Exchange) -> bytes:
        answer, peer = exchange
        self.peers.append(peer)
        return answer
