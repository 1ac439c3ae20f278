"""L47, L48: leaks below HTTP, by resumed sessions and unusual handshakes."""

import hashlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.mutant import Mutant, first_paragraph
from client_sim.lab.trace.sockets import Dial
from client_sim.persona import Persona

_SUITES: Final = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")

Configure = Callable[[ssl.SSLContext, Persona], None]


def _context(trusted: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=trusted)
    context.set_alpn_protocols(["http/1.1"])
    context.set_ciphers(":".join(_SUITES))
    context.options |= ssl.OP_NO_TICKET
    return context


def _configured(name: str, configure: Configure) -> Mutant:
    """Return the toy client with a configuration of every TLS connection."""

    def make(trusted: str, owner: Persona) -> Dial:
        def dial(wire: socket.socket, name: str) -> socket.socket:
            context = _context(trusted)
            configure(context, owner)
            return context.wrap_socket(wire, server_hostname=name)

        return dial

    return Mutant(name, "L48", first_paragraph(configure), ToyClient, make)


def _resuming(newest: ssl.TLSVersion) -> Callable[[str, Persona], Dial]:
    """Return a `MakeDial` that resumes the session of the previous connection."""

    def make(trusted: str, _owner: Persona) -> Dial:
        sessions: list[ssl.SSLSession | None] = [None]

        class Remembering(ssl.SSLSocket):
            def close(self) -> None:
                sessions.append(self.session or sessions[-1])
                super().close()

        context = _context(trusted)
        context.maximum_version = newest
        context.options &= ~ssl.OP_NO_TICKET
        context.sslsocket_class = Remembering

        def dial(wire: socket.socket, name: str) -> socket.socket:
            return context.wrap_socket(wire, server_hostname=name, session=sessions[-1])

        return dial

    return make


def _order_by_owner(context: ssl.SSLContext, owner: Persona) -> None:
    """Orders the cipher suites by a bit of the IMEI."""
    odd = hashlib.sha256(owner.imei.encode()).digest()[0] % 2
    context.set_ciphers(":".join(_SUITES[::-1] if odd else _SUITES))
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def _protocol_by_owner(context: ssl.SSLContext, owner: Persona) -> None:
    """Includes the serial number in the protocols of ALPN."""
    context.set_alpn_protocols([f"x-{owner.serial}", "http/1.1"])


def _library_defaults(context: ssl.SSLContext, _owner: Persona) -> None:
    """Offers the defaults of its library, which reveal the library and its version."""
    context.set_alpn_protocols(["h2", "http/1.1"])


MUTANTS: Final = (
    Mutant(
        "tls-ticket-returns",
        "L47",
        "Resumes the TLS 1.2 session of the previous connection, so that a server recognises it.",
        ToyClient,
        _resuming(ssl.TLSVersion.TLSv1_2),
    ),
    Mutant(
        "tls-psk-returns",
        "L47",
        "Resumes the session of the previous connection by a pre-shared key of TLS 1.3.",
        ToyClient,
        _resuming(ssl.TLSVersion.TLSv1_3),
    ),
    _configured("tls-suites-ordered-by-imei", _order_by_owner),
    _configured("tls-protocol-by-serial", _protocol_by_owner),
    _configured("tls-library-defaults", _library_defaults),
)
