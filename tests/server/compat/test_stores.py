"""Packages of dialects from S3 and over TLS: the same exact ranges as from files."""

import hashlib
import socket
import ssl
import uuid
from datetime import UTC, datetime

import pytest

from server.http.answers import Package
from server.processes.serving import load_certificate, make_context
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs
from tests.patience import PATIENCE
from tests.server.compat.models import OPTIONS
from tests.server.compat.served import serve_contents
from tests.server.device.packages import put
from tests.server.device.served import read_response, request
from tests.server.release.certificate import write_certificate

DATA = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(DATA).hexdigest()
FILE = "/graphene/FP4-ota_update-1.3.zip"
CONTENTS = {FILE: Package(SHA256, len(DATA))}
RANGES = ((0, 10), (len(DATA) // 3, None), (len(DATA) - 1, None))


def check(ask):
    """Ask for the whole file, for ranges, and beyond the end."""
    whole = ask(request(FILE, b"Accept-Encoding: gzip"))
    assert (whole.status, whole.body) == (200, DATA)
    assert whole["Content-Encoding"] is None
    for first, end in RANGES:
        last = len(DATA) - 1 if end is None else end - 1
        stated = f"{first}-" if end is None else f"{first}-{last}"
        response = ask(request(FILE, f"Range: bytes={stated}".encode()))
        assert (response.status, response.body) == (206, DATA[first : last + 1])
        assert response["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    beyond = ask(request(FILE, b"Range: bytes=%d-" % len(DATA)))
    assert (beyond.status, beyond["Content-Range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.needs("seaweed")
def test_from_s3(seaweed, tmp_path):
    """A real S3 server holds the package."""
    store = S3Blobs(seaweed.place(f"compat/{uuid.uuid4()}"), lambda: datetime.now(UTC))
    (tmp_path / "source").write_bytes(DATA)
    store.ingest(tmp_path / "source", SHA256, len(DATA))
    with serve_contents(OPTIONS, CONTENTS, store) as served:
        check(served.ask)


def test_over_tls(tmp_path):
    """LineageOS's version 2 asks nothing else; older Androids have TLS 1.2 only."""
    write_certificate(tmp_path, "u.example")
    put(tmp_path / "blobs", DATA)
    tls = make_context(load_certificate(tmp_path / "cert.pem", tmp_path / "key.pem"))
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    client = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve_contents(OPTIONS, CONTENTS, LocalBlobs(tmp_path / "blobs"), tls=tls) as served:

        def ask(data):
            with (
                socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as plain,
                client.wrap_socket(plain, server_hostname="u.example") as connection,
            ):
                connection.sendall(data)
                return read_response(connection)

        check(ask)
