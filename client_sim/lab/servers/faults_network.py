"""Faults on the way: names, connections, and answers that arrive in part or late."""

from collections.abc import Callable
from typing import Final

from client_sim.lab.servers.fault import Fault, send_instead
from client_sim.lab.servers.replies import Wrap
from client_sim.lab.trace.memory import Asked, Pieces, Responder

_PATIENCE: Final = 30.0
"""Seconds after which a socket gives up."""

_PLACES: Final = ("root", "timestamp", "latest", "proof")


def _reset() -> OSError:
    return ConnectionResetError("the connection was reset")


def _late() -> OSError:
    return TimeoutError("timed out")


def _middle(data: bytes) -> int:
    """Return a place in the middle of the body."""
    head = data.index(b"\r\n\r\n") + 4
    return head + (len(data) - head) // 2


SENDINGS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("no answer in time", lambda _: Pieces(b"", [(_PATIENCE, 1)], error=_late())),
    ("a reset in place of an answer", lambda _: Pieces(b"", error=_reset())),
    ("a reset in the head", lambda data: Pieces(data[:30], error=_reset())),
    ("a reset in the body", lambda data: Pieces(data[: _middle(data)], error=_reset())),
    ("a reset after the answer", lambda data: Pieces(data, error=_reset())),
    ("a hang-up in place of an answer", lambda _: b""),
    ("a hang-up in the head", lambda data: data[:30]),
    ("a hang-up in the body", lambda data: data[: _middle(data)]),
    (
        "half an answer in time",
        lambda data: Pieces(data[: _middle(data)], [(0.0, 1 << 20), (_PATIENCE, 1)], error=_late()),
    ),
    ("a byte in twenty seconds", lambda data: Pieces(data, [(20.0, 1)] * len(data))),
    ("an answer after a minute", lambda data: Pieces(data, [(60.0, 1 << 20)])),
    ("an answer after an hour", lambda data: Pieces(data, [(3_600.0, 1 << 20)])),
)
"""Ways in which an answer does not arrive, or late, by name; each is given the sound one."""


class _Unreachable:
    """A server whose name does not resolve, or to which no connection is made."""

    def __init__(self, respond: Responder, error: Callable[[], OSError], *, is_name: bool) -> None:
        self._respond = respond
        self._error = error
        self._is_name = is_name

    def __call__(self, asked: Asked) -> bytes:
        return self._respond(asked)

    def reach(self, asked: Asked) -> None:
        """Fail at the name, whose question has no port, or at the connection."""
        if self._is_name == (asked.port == 0):
            raise self._error()


def _fail_before(error: Callable[[], OSError], *, is_name: bool) -> Wrap:
    return lambda respond: _Unreachable(respond, error, is_name=is_name)


_NOTHINGS: Final[tuple[tuple[str, Wrap], ...]] = (
    ("a name that does not resolve", _fail_before(lambda: OSError("no such name"), is_name=True)),
    ("a resolver that is silent", _fail_before(_late, is_name=True)),
    (
        "a connection that is refused",
        _fail_before(lambda: ConnectionRefusedError("connection refused"), is_name=False),
    ),
    ("a connection that is not made in time", _fail_before(_late, is_name=False)),
)

NETWORK: Final[tuple[Fault, ...]] = (
    *(Fault(name, wrap, is_reached=False) for name, wrap in _NOTHINGS),
    *(
        Fault(f"{name}, at {place}", send_instead(place, send))
        for name, send in SENDINGS
        for place in _PLACES
    ),
)
