"""A proxy that forwards requests to the server, and changes the bodies of some answers."""

import hashlib
import http.client
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from demo.stage import PATIENCE_SECONDS
from server.core.checkpoint import encode_checkpoint, encode_leaf, encode_proof
from server.core.tlog import leaf_hash
from server.publisher.keys.online_keys import load_online_keys
from server.publisher.published import load_published

Lie = Callable[[bytes], bytes]


class HostileServer:
    """A proxy on a free port of loopback.

    `lies` maps path prefixes to functions that change a body; `sent_lies` has the prefixes for
    which a changed body was sent.
    """

    def __init__(self, upstream_port: int) -> None:
        self.lies: dict[str, Lie] = {}
        self.sent_lies: set[str] = set()
        lies, sent_lies = self.lies, self.sent_lies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                headers = {"Host": "upstream"}
                if "Range" in self.headers:
                    headers["Range"] = self.headers["Range"]
                upstream = http.client.HTTPConnection(
                    "127.0.0.1", upstream_port, timeout=PATIENCE_SECONDS
                )
                upstream.putrequest("GET", self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders()
                answer = upstream.getresponse()
                body, status = answer.read(), answer.status
                where = answer.getheader("Content-Range")
                upstream.close()
                for prefix, lie in lies.items():
                    if self.path.startswith(prefix):
                        body, status = lie(body), 206 if status == 206 else 200
                        sent_lies.add(prefix)
                self.send_response(status)
                if where is not None:
                    self.send_header("Content-Range", where)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def flip_last_byte(body: bytes) -> bytes:
    """Return `body` with one bit of its last byte changed."""
    return body[:-1] + bytes([body[-1] ^ 1])


def forge_pointer(state: Path, pointer: str, other: str) -> dict[str, Lie]:
    """Return `lies` that make `pointer` offer the build of `other`, signed with all online keys.

    The attacker signs latest, snapshot and timestamp, and a log with a valid proof, but cannot sign
    a release.
    """
    keys = load_online_keys(state / "keys")
    published = load_published(state / "public")
    if published is None:
        raise ValueError("nothing is published")
    now = datetime.now(UTC)
    custom = published.roles["latest"].targets[other].unrecognized_fields["custom"]
    empty = {"sha256": hashlib.sha256(b"").hexdigest()}
    latest_version = published.roles["latest"].version + 1
    latest = _sign(
        Metadata(
            Targets(
                latest_version,
                None,
                now + timedelta(days=7),
                {pointer: TargetFile(0, empty, pointer, {"custom": custom})},
            )
        ),
        keys.signers["latest"],
    )
    meta = {name: MetaFile(file.version) for name, file in published.snapshot.meta.items()}
    meta["latest.json"] = MetaFile(latest_version)
    snapshot_version = published.snapshot.version + 1
    snapshot = _sign(
        Metadata(Snapshot(snapshot_version, None, now + timedelta(days=7), meta)),
        keys.signers["snapshot"],
    )
    timestamp = _sign(
        Metadata(
            Timestamp(
                published.timestamp.version + 1,
                None,
                now + timedelta(days=1),
                MetaFile(snapshot_version),
            )
        ),
        keys.signers["timestamp"],
    )
    entry = encode_leaf("latest", latest_version, hashlib.sha256(latest).hexdigest())
    checkpoint = encode_checkpoint(1, leaf_hash(entry), keys.log_verifier, keys.log.sign)
    forged = {
        f"/metadata/{latest_version}.latest.json": latest,
        f"/metadata/{snapshot_version}.snapshot.json": snapshot,
        "/metadata/timestamp.json": timestamp,
        f"/log/proof/latest.{latest_version}": encode_proof(0, [], checkpoint),
    }
    return {path: _always(data) for path, data in forged.items()}


def _always(data: bytes) -> Lie:
    return lambda _body: data


def _sign(metadata: Metadata[Any], signer: Signer) -> bytes:
    metadata.sign(signer)
    data: bytes = metadata.to_bytes(JSONSerializer(compact=True))
    return data
