"""The smallest clean client: it asks what every phone asks and does nothing with the answer.

The instrument is tried on it: it must raise no alarm, and each mutant changes one of its methods.
"""

from collections.abc import Sequence
from typing import Final

from client_sim.world import Event, Stream, World

LONGEST: Final = 28_800
"""Seconds between two polls at most."""


class ToyClient:
    """Polls root and timestamp over one connection; verifies nothing, installs nothing."""

    def __init__(self, world: World) -> None:
        self.world = world

    def poll(self) -> str:
        """Ask once; a server or network that fails ends the poll and nothing else."""
        try:
            stream = self.open()
            try:
                for path in self.paths():
                    self.transmit(stream, self.request(path))
                    head, body = self.receive(stream)
                    self.answered(head)
                    self.took(body)
            finally:
                self.hang_up(stream)
        except OSError as error:
            self.failed(error)
            return f"the server was not reached: {error}"
        return "nothing new"

    def on_event(self, event: Event) -> None:
        """Take no notice."""

    def next_poll(self, now: float) -> float:
        """Return the due time that was drawn last, until it has passed; restarts change nothing."""
        due = float(self.world.state.get("due", b"0"))
        if not now < due <= now + LONGEST:
            due = self.draw(now)
            self.world.state["due"] = repr(due).encode()
        return due

    def draw(self, now: float) -> float:
        """Draw the next due time as FORMATS section 9 says."""
        return now + 14_400 + int.from_bytes(self.world.entropy(8), "big") % 14_401

    def open(self) -> Stream:
        """Resolve the server's name and connect to its first address."""
        address = self.world.resolve(self.host())[0]
        return self.world.connect(address, self.port(), self.server_name())

    def host(self) -> str:
        """Name the host."""
        return self.world.public.host

    def port(self) -> int:
        """Name the port."""
        return self.world.public.port

    def server_name(self) -> str | None:
        """Name the server to authenticate; None for plain text."""
        return self.host() if self.world.public.tls else None

    def paths(self) -> Sequence[str]:
        """Name what one poll asks for."""
        return ("/metadata/2.root.json", "/metadata/timestamp.json")

    def request(self, path: str) -> bytes:
        """Write one request."""
        lines = (f"GET {path} HTTP/1.1", *self.headers(), "", "")
        return "\r\n".join(lines).encode()

    def headers(self) -> Sequence[str]:
        """Write the header lines."""
        usual = self.port() == (443 if self.world.public.tls else 80)
        host = self.host() if usual else f"{self.host()}:{self.port()}"
        return (f"Host: {host}", "Accept-Encoding: gzip")

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send one request."""
        stream.send(data)

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        """Receive one answer: its head, and as much of its body as comes."""
        return _receive(stream)

    def answered(self, head: str) -> None:
        """Take the head of an answer."""

    def took(self, body: bytes) -> None:
        """Take the body of an answer, as far as it came."""

    def failed(self, error: OSError) -> None:
        """Take no notice of a poll that broke off: the next one is drawn as after any other."""

    def hang_up(self, stream: Stream) -> None:
        """Close the connection."""
        stream.close()


def _receive(stream: Stream) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = stream.recv(65_536)
        if not chunk:
            raise ConnectionError("the server hung up before it had answered")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = _find_length(text)
    while len(body) < length and (chunk := stream.recv(65_536)):
        body += chunk
    return text, body


def _find_length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and value.strip().isdecimal():
            return int(value)
    return 0
