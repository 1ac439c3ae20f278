"""Where the API may listen: beyond loopback only with TLS, or when a proxy is said to do it."""

import ipaddress
import ssl

from server.core.errors import FormatError
from server.settings import Settings


def is_loopback(host: str) -> bool:
    """Answer whether only this machine reaches `host`; names but localhost may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the API's TLS, or None where it speaks plainly.

    Raises FormatError where tokens would cross a network in the clear, and for a certificate and
    key that cannot be used. Reads files.
    """
    if bool(settings.api_cert) != bool(settings.api_key):
        raise FormatError("api_cert and api_key go together: name both files, or neither.")
    if not settings.api_cert:
        if not is_loopback(settings.api_host) and not settings.api_behind_proxy:
            raise FormatError(
                f"the API would send tokens in the clear on {settings.api_host}: set api_cert and"
                " api_key, or api_behind_proxy where a proxy on the way speaks TLS."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(settings.api_cert, settings.api_key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"api_cert and api_key cannot be used: {error}; they are PEM files without a password."
        ) from error
    return context


def _no_password() -> str:
    """Answer for a key that is encrypted: OpenSSL would ask the terminal else."""
    return ""
