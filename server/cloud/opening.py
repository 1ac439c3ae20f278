"""Opens the store of bodies that the settings name, and the TLS of the socket."""

import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

from server.cloud.settings import CloudFolder, CloudSettings
from server.cloud.storage.bodies import Bodies, LocalBodies
from server.core.errors import FormatError
from server.storage.s3_client import decode_place, load_secret


def open_bodies(
    folder: CloudFolder,
    settings: CloudSettings,
    entropy: Callable[[int], bytes],
    clock: Callable[[], float],
) -> Bodies:
    """Return the store of bodies; raises FormatError for settings of S3 that are malformed.

    Reads the file with the secret, and may make the folder in which bodies are received.
    """
    if not settings.blobs_url:
        return LocalBodies(folder.bodies, entropy, keep_free=settings.keep_free)
    # Imported here: the library takes long, and a cloud in a folder does without it.
    from server.cloud.storage.s3_bodies import S3Bodies  # noqa: PLC0415

    secret = load_secret(Path(settings.s3_secret_file)) if settings.s3_secret_file else ""
    place = decode_place(
        settings.blobs_url,
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_key_id,
        secret,
    )
    return S3Bodies(place, folder.spool, clock)


def load_tls(settings: CloudSettings) -> ssl.SSLContext | None:
    """Return the TLS of the socket, or None where it speaks plainly.

    Raises FormatError where tokens would cross a network in the clear, and for a certificate and
    key that cannot be used. Reads files.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise FormatError("tls_cert and tls_key go together: name both files, or neither.")
    if not settings.tls_cert:
        if not _is_loopback(settings.host) and not settings.behind_proxy:
            raise FormatError(
                f"the cloud would take tokens in the clear on {settings.host}: set tls_cert and"
                " tls_key, or behind_proxy where a proxy on the way speaks TLS."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # OpenSSL would ask the terminal for the password of an encrypted key.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise FormatError(
            f"tls_cert and tls_key cannot be used: {error}; they are PEM files without a password."
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
