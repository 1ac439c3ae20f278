"""Connections as phones make them, without waiting for any of them."""

import errno
import socket
import ssl
from typing import Final

from client_sim.device.internet import make_tls_context
from client_sim.fleet.target import Target

ROOM: Final = 262_144
"""Octets of a package that are taken from a connection at once."""

BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What is raised by a connection on which nothing can be done yet."""

_NO_PORT_YET: Final = 24  # IP_BIND_ADDRESS_NO_PORT: the port is chosen by the whole 4-tuple
_SOURCES: Final = 64  # addresses of loopback, each of which has its own ports
_KIND: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_UNDER_WAY: Final = {0, errno.EINPROGRESS}

Wire = socket.SocketType
"""The socket class without Python's own layer, which costs as much as a system call."""


class Dialler:
    """Opens connections to `target`; on this machine from many addresses in turn.

    A closed connection blocks its port for a minute, and there are 28,000 ports. So phones on
    loopback come from 127.0.0.2 on.
    """

    def __init__(self, target: Target) -> None:
        self._address = (target.address, target.port)
        self._family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        self._turns = 0 if target.address.startswith("127.") else None
        self._host = target.host
        self._context = make_tls_context(target.authority) if target.tls else None

    def dial(self) -> Wire:
        """Begin a connection; raises OSError where it fails at once."""
        wire = self._make()
        result = wire.connect_ex(self._address)
        if result not in _UNDER_WAY:
            wire.close()
            raise OSError(result, "no connection")
        return wire

    def _make(self) -> Wire:
        if self._context is not None:
            plain = socket.socket(self._family, _KIND)
            return self._context.wrap_socket(
                plain, server_hostname=self._host, do_handshake_on_connect=False
            )
        wire = socket.SocketType(self._family, _KIND)
        if self._turns is not None:
            self._turns += 1
            wire.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
            wire.bind((f"127.0.0.{2 + self._turns % _SOURCES}", 0))
        return wire
