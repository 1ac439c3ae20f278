"""The plain ways out of the toy client: each makes a client that says one thing in one place."""

from collections.abc import Callable, Sequence

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.spy import Spy, Tell
from client_sim.world import Event, Factory, World


class Snoop(ToyClient):
    """The toy client with access to its owner's data."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)

    def post(self, host: str, path: str, body: bytes) -> None:
        """Send something to another host, in plain text, and hang up without reading."""
        stream = self.world.connect(self.world.resolve(host)[0], 80, None)
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        stream.send(head.encode() + body)
        stream.close()


def tell_in_header(name: str, tell: Tell) -> Factory:
    """Add a header line to each request."""
    return tell_in_lines(lambda spy: (f"{name}: {tell(spy)}",))


def tell_in_cookie(name: str, tell: Tell) -> Factory:
    """Add a cookie to each request."""
    return tell_in_lines(lambda spy: (f"Cookie: {name}={tell(spy)}",))


def tell_in_lines(tell: Callable[[Spy], Sequence[str]]) -> Factory:
    """Add header lines to each request."""

    class Client(Snoop):
        def headers(self) -> Sequence[str]:
            return (*super().headers(), *tell(self.spy))

    return Client


def tell_by_lines(shape: Callable[[Spy, Sequence[str]], Sequence[str]]) -> Factory:
    """Give the honest header lines another shape, order or number."""

    class Client(Snoop):
        def headers(self) -> Sequence[str]:
            return shape(self.spy, tuple(super().headers()))

    return Client


def tell_by_paths(shape: Callable[[Spy, Sequence[str]], Sequence[str]]) -> Factory:
    """Ask for other paths than the honest ones."""

    class Client(Snoop):
        def paths(self) -> Sequence[str]:
            return shape(self.spy, tuple(super().paths()))

    return Client


def tell_in_query(name: str, tell: Tell) -> Factory:
    """Add a query to each path."""
    return tell_behind_paths(lambda spy: f"?{name}={tell(spy)}")


def tell_behind_paths(tell: Tell) -> Factory:
    """Add something to the end of each path."""

    def shape(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
        return tuple(f"{path}{tell(spy)}" for path in paths)

    return tell_by_paths(shape)


def tell_in_bytes(shape: Callable[[Spy, bytes], bytes]) -> Factory:
    """Write each honest request in other bytes."""

    class Client(Snoop):
        def request(self, path: str) -> bytes:
            return shape(self.spy, super().request(path))

    return Client


def tell_in_body(tell: Callable[[Spy], bytes]) -> Factory:
    """Give each request a body."""
    return tell_in_bytes(lambda spy, data: add_body(data, tell(spy)))


def tell_before_poll(act: Callable[[Snoop], None]) -> Factory:
    """Do something before each poll."""

    class Client(Snoop):
        def poll(self) -> str:
            act(self)
            return super().poll()

    return Client


def tell_at_event(name: str, act: Callable[[Snoop, Event], None]) -> Factory:
    """Do something when something happens, and poll as it should."""

    class Client(Snoop):
        def on_event(self, event: Event) -> None:
            if event.name == name:
                act(self, event)

    return Client


def add_line(data: bytes, line: str) -> bytes:
    """Add a header line to a request without a body."""
    return data.removesuffix(b"\r\n") + line.encode() + b"\r\n\r\n"


def add_body(data: bytes, body: bytes) -> bytes:
    """Add a body to a request without one."""
    return add_line(data, f"Content-Length: {len(body)}") + body
