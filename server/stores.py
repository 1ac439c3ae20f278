"""Opens the stores that the settings name: the blobs, and the tree that machines share.

It does not import the database, so device nodes can use it.
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
    """Return the blob store that the settings name; raises FormatError for invalid settings."""
    place = open_place(settings)
    if place is None:
        return LocalBlobs(folder.blobs)
    from server.storage.s3_blobs import S3Blobs  # noqa: PLC0415 - few sites keep blobs in S3

    return S3Blobs(place, clock)


def open_place(settings: Settings) -> S3Place | None:
    """Return where blobs are in S3, with the key; None for blobs in the state folder."""
    return load_place(settings.blobs_url, "blobs_url", settings) if settings.blobs_url else None


def open_tree_place(settings: Settings) -> S3Place | None:
    """Return where the shared tree is in S3, with the key; None for a tree in the state folder."""
    return load_place(settings.tree_url, "tree_url", settings) if settings.tree_url else None


def load_place(url: str, name: str, settings: Settings) -> S3Place:
    """Return the place at `url`, with the endpoint and the key of the settings.

    Reads the file with the secret, if the settings name one. Raises FormatError, which calls the
    URL `name`.
    """
    secret = settings.s3_secret or (
        load_secret(Path(settings.s3_secret_file)) if settings.s3_secret_file else ""
    )
    return decode_place(
        url, settings.s3_endpoint, settings.s3_region, settings.s3_key_id, secret, name
    )
