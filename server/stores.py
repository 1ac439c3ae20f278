"""Opens the stores that the settings name: of packages, and of what machines share.

A device node needs no more: nothing here imports the database.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from server.settings import Settings
from server.storage.blobs import BlobStore
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_client import S3Place, decode_place, load_secret

Clock = Callable[[], datetime]


def open_blobs(folder: StateFolder, settings: Settings, clock: Clock) -> BlobStore:
    """Return the store that the settings name; raises FormatError for invalid settings."""
    place = open_place(settings)
    if place is None:
        return LocalBlobs(folder.blobs)
    from server.storage.s3_blobs import S3Blobs  # noqa: PLC0415 - few states keep blobs there

    return S3Blobs(place, clock)


def open_place(settings: Settings) -> S3Place | None:
    """Return the place of blobs in S3, with the key; None for blobs in the state folder."""
    return load_place(settings.blobs_url, "blobs_url", settings) if settings.blobs_url else None


def open_tree_place(settings: Settings) -> S3Place | None:
    """Return the place of what machines share besides blobs; None for folders of the state."""
    return load_place(settings.tree_url, "tree_url", settings) if settings.tree_url else None


def load_place(url: str, name: str, settings: Settings) -> S3Place:
    """Return the place at `url`, with endpoint and key of the settings.

    Raises FormatError, which calls the URL `name`. May read the file with the secret.
    """
    secret = settings.s3_secret or (
        load_secret(Path(settings.s3_secret_file)) if settings.s3_secret_file else ""
    )
    return decode_place(
        url, settings.s3_endpoint, settings.s3_region, settings.s3_key_id, secret, name
    )
