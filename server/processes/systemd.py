"""The systemd protocols for this process: passed sockets, and readiness."""

import contextlib
import os
import socket
from collections.abc import Mapping

from server.processes.errors import ActivationError

FIRST = 3  # the descriptor of the first passed socket (SD_LISTEN_FDS_START)
MOST = 1024  # sockets; a worker has one for each address
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_FAMILIES = {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}


def decode_activation(environment: Mapping[str, str], pid: int) -> range:
    """Return the descriptors that were passed to the process `pid`; pure.

    Variables for another process are ignored; none at all is an empty range. Raises ActivationError
    where they are malformed.
    """
    if "LISTEN_FDS" not in environment or "LISTEN_PID" not in environment:
        return range(FIRST, FIRST)
    if _number("LISTEN_PID", environment["LISTEN_PID"], 1 << 22) != pid:
        return range(FIRST, FIRST)
    count = _number("LISTEN_FDS", environment["LISTEN_FDS"], MOST)
    return range(FIRST, FIRST + count)


def inherit_sockets(descriptors: range) -> list[socket.socket]:
    """Take over passed listening sockets, and mark them as not inheritable.

    Raises ActivationError for a descriptor that is not a listening stream socket.
    """
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(_take_over(descriptor)) for descriptor in descriptors]
        stack.pop_all()
    return taken


def _take_over(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        one = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(
            f"descriptor {descriptor} was announced by LISTEN_FDS and is no socket."
        ) from error
    if (
        one.family not in _FAMILIES
        or one.type != socket.SOCK_STREAM
        or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        one.close()
        raise ActivationError(
            f"the socket passed as descriptor {descriptor} does not listen for streams: use"
            " ListenStream= and Accept=no."
        )
    one.setblocking(False)
    return one


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > most:
        raise ActivationError(f"{name} is no number from 0 to {most}.")
    return int(text)


def notify(address: str, state: str) -> None:
    """Send `state`, such as READY=1, to NOTIFY_SOCKET's `address`; do nothing if it is empty.

    A service manager that does not answer is no error: it has its own timeout.
    """
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
        try:
            one.connect(name)
            one.send(state.encode())
        except OSError:
            return
