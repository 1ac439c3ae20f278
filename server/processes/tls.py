"""TLS of the device plane, for those without an edge: one fixed configuration, and no resumption.

TLS 1.3 alone, no session tickets and so no early data: nothing that a phone sends tells one
connection of it from another phone's. HTTP/1.1 is all that is spoken.
"""

import os
import ssl
from pathlib import Path

from server.core.errors import FormatError
from server.processes.messages import Certificate

FILE_LIMIT = 1 << 20  # octets of a PEM file: a chain has a few thousand


def load_certificate(chain: Path, key: Path) -> Certificate:
    """Read both PEM files; raises FormatError unless they can be used together."""
    certificate = Certificate(_read(chain), _read(key))
    make_context(certificate)
    return certificate


def make_context(certificate: Certificate) -> ssl.SSLContext:
    """Return what connections begin with; raises FormatError for what cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    use_certificate(context, certificate)
    return context


def use_certificate(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Let connections that begin from now on see `certificate`; those that stand go on.

    Raises FormatError for what cannot be used; try it on a context of its own first.
    """
    chain, key = _in_memory(certificate.chain), _in_memory(certificate.key)
    try:
        context.load_cert_chain(
            f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}", password=_no_password
        )
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"tls_cert and tls_key cannot be used: {error}; they are PEM files without a password."
        ) from error
    finally:
        os.close(chain)
        os.close(key)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(FILE_LIMIT + 1)
    if len(octets) > FILE_LIMIT:
        raise FormatError(
            f"{path} is larger than {FILE_LIMIT} octets and so no certificate or key."
        )
    return octets


def _in_memory(octets: bytes) -> int:
    """Return the descriptor of a file in memory: `ssl` reads files only, and a key stays off disk.

    A pair that was read once stays usable, whatever is done to the files meanwhile.
    """
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    view = memoryview(octets)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def _no_password() -> str:
    """Answer for a key that is encrypted: OpenSSL would ask the terminal else."""
    return ""
