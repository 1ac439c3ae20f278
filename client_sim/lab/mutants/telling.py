"""The toy client with access to its owner's data, and what adds to the bytes of a request."""

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.spy import Spy
from client_sim.world import World


class Snoop(ToyClient):
    """The toy client with access to its owner's data."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)


def add_line(data: bytes, line: str) -> bytes:
    """Add a header line to a request without a body."""
    return data.removesuffix(b"\r\n") + line.encode() + b"\r\n\r\n"


def add_body(data: bytes, body: bytes) -> bytes:
    """Add a body to a request without one."""
    return add_line(data, f"Content-Length: {len(body)}") + body
