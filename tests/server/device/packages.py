"""Packages of any bytes on a device plane of their own, and the process's open descriptors."""

import hashlib
from pathlib import Path

from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.storage.local_blobs import LocalBlobs
from tests.server.device.served import serve_snapshot

URL = f"/targets/armani/id/stable/{'ab' * 32}.armani-1.zip"
BYTES = b"".join(n.to_bytes(4) for n in range(150_000))
LONG = 64 * 1024 * 1024  # more than the kernel buffers for a client that does not read


def put(folder, data):
    """Write a blob in the form of a store in this folder; returns its path."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def package_snapshot(sha256, length):
    """Return a snapshot with one package at `URL`."""
    return Snapshot(1, {}, {URL: Package(sha256, length)}, frozenset(), {})


def serve_bytes(folder, data, **kwargs):
    """Serve bytes as a package from a folder."""
    path = put(folder, data)
    if not data:
        path.unlink()  # no store has the empty file
    return serve_snapshot(package_snapshot(path.name, len(data)), LocalBlobs(folder), **kwargs)


def serve_long(folder, **kwargs):
    """Serve a long package of zeros that uses no disk space; its name is no hash."""
    path = folder / "cd" / ("cd" * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(LONG)
    return serve_snapshot(package_snapshot(path.name, LONG), LocalBlobs(folder), **kwargs)


def descriptors():
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
