"""The smallest clean client: it sends the requests of every poll and ignores the answers.

The instrument is tested on it: it must raise no alarm, and each mutant changes one of its methods.
"""

from collections.abc import Sequence
from typing import Final

from client_sim.world import Event, Stream, World

LONGEST: Final = 28_800
"""The maximum of seconds between two polls."""


class ToyClient:
    """Polls root and timestamp over one connection; verifies nothing, installs nothing."""

    def __init__(self, world: World) -> None:
        self.world = world

    def poll(self) -> str:
        """Poll once; a failure of the server or the network ends only this poll."""
        try:
            stream = self.open()
            try:
                for path in self.paths():
                    self.transmit(stream, self.request(path))
                    head, body = self.receive(stream)
                    self.answered(head)
                    self.received_body(body)
            finally:
                self.disconnect(stream)
        except OSError as error:
            self.failed(error)
            return f"the server was not reached: {error}"
        return "nothing new"

    def on_event(self, event: Event) -> None:
        """Ignore the event."""

    def next_poll(self, now: float) -> float:
        """Return the last drawn due time until it has passed, also after restarts."""
        due = float(self.world.state.get("due", b"0"))
        if not now < due <= now + LONGEST:
            due = self.draw(now)
            self.world.state["due"] = repr(due).encode()
        return due

    def draw(self, now: float) -> float:
        """Draw the next due time by FORMATS section 9."""
        return now + 14_400 + int.from_bytes(self.world.entropy(8), "big") % 14_401

    def open(self) -> Stream:
        """Resolve the server's name and connect to its first address."""
        address = self.world.resolve(self.host())[0]
        return self.world.connect(address, self.port(), self.server_name())

    def host(self) -> str:
        """Return the host name."""
        return self.world.public.host

    def port(self) -> int:
        """Return the port."""
        return self.world.public.port

    def server_name(self) -> str | None:
        """Return the server name to authenticate; None for plain text."""
        return self.host() if self.world.public.tls else None

    def paths(self) -> Sequence[str]:
        """Return the paths that one poll requests."""
        return ("/metadata/2.root.json", "/metadata/timestamp.json")

    def request(self, path: str) -> bytes:
        """Return the bytes of one request."""
        lines = (f"GET {path} HTTP/1.1", *self.headers(), "", "")
        return "\r\n".join(lines).encode()

    def headers(self) -> Sequence[str]:
        """Return the header lines."""
        is_default_port = self.port() == (443 if self.world.public.tls else 80)
        host = self.host() if is_default_port else f"{self.host()}:{self.port()}"
        return (f"Host: {host}", "Accept-Encoding: gzip")

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send one request."""
        stream.send(data)

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        """Receive one answer: its head, and as much of its body as arrives."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = stream.recv(65_536)
            if not chunk:
                raise ConnectionError("the server closed the connection before it had answered")
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        length = _find_length(text)
        while len(body) < length and (chunk := stream.recv(65_536)):
            body += chunk
        return text, body

    def answered(self, head: str) -> None:
        """Ignore the head of an answer; mutants override this."""

    def received_body(self, body: bytes) -> None:
        """Ignore the received body of an answer; mutants override this."""

    def failed(self, error: OSError) -> None:
        """Ignore the failure of a poll; the next due time is drawn as usual."""

    def disconnect(self, stream: Stream) -> None:
        """Close the connection."""
        stream.close()


def _find_length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and value.strip().isdecimal():
            return int(value)
    return 0
