"""Places outside the world that a client was given: the system's sockets, resolver and processes.

They include pauses in real time, which the world's clock does not show.
"""

import multiprocessing.util
import socket
import time
from contextlib import suppress
from typing import Final

from client_sim.lab.mutants.rows import SideAction
from client_sim.world import World

_DISCARD: Final = ("127.0.0.1", 9)  # the discard port, in case the datagram is not blocked


def _beat(value: bytes, _world: World) -> None:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(value, _DISCARD)


def _resolve(value: bytes, _world: World) -> None:
    with suppress(OSError, UnicodeError):  # an empty label is not a valid name
        socket.getaddrinfo(f"{value.decode()}.invalid", 80)


def _spawn(_value: bytes, _world: World) -> None:
    """Start a process by a call that raises no audit event."""
    with suppress(OSError):
        multiprocessing.util.spawnv_passfds(b"/bin/true", [b"/bin/true"], ())


def _sleep(value: bytes, _world: World) -> None:
    with suppress(OSError):
        time.sleep(int(value) / 1000)


def _wait(value: bytes, _world: World) -> None:
    """Wait on a socket of its own, for a time that depends on a byte."""
    with suppress(OSError):
        one, other = socket.socketpair()
        with one, other:
            one.settimeout(value[0] / 1e5 + 1e-6)
            one.recv(1)


BEAT: Final = SideAction("in a datagram of its own", "poll", _beat)
SYSTEM_LOOKUP: Final = SideAction("in a question to the system's resolver", "poll", _resolve)
PROCESS: Final = SideAction("to a process that it starts", "polled", _spawn)
PAUSE: Final = SideAction("as milliseconds of real time", "poll", _sleep)
SOCKET_PAUSE: Final = SideAction("as a timeout of a socket of its own", "polled", _wait)
