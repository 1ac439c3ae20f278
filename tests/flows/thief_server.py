"""A thief's server: the honest tree with files that are signed by stolen online keys."""

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from server.publisher.keys.online_keys import load_online_keys
from server.publisher.published import load_published
from tests.flows.cached_phones import Thief


@dataclass
class Loot:
    """A state folder with a copy of the keys; the tree is read in its present state."""

    state: Path

    def __post_init__(self) -> None:
        self.keys = load_online_keys(self.state / "keys")

    def published(self):
        """Return the honest server's publications."""
        return load_published(self.state / "public")

    def now(self):
        """Return the time."""
        return datetime.now(UTC)


@dataclass
class Tree:
    """The honest tree, file by file."""

    world: Loot

    def answer(self, path):
        """Return the status and body for a path."""
        if path.startswith("/targets/"):
            *_, name = path.split("/")
            digest = name.partition(".")[0]
            blob = self.world.state / "blobs" / digest[:2] / digest
            return (200, blob.read_bytes()) if blob.is_file() else (404, b"")
        file = self.world.state / "public" / path.lstrip("/")
        return (200, file.read_bytes()) if file.is_file() else (404, b"")


@contextmanager
def serving(thief, port):
    """Serve a thief's answers at another loopback address than the honest server's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = thief.answer(self.path)
            block = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            length = len(body)
            if block:
                status, body = 206, body[int(block[1]) : int(block[2]) + 1]
            self.send_response_only(status)
            if block:
                self.send_header("Content-Range", f"bytes {block[1]}-{block[2]}/{length}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.2", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def make_thief(state: Path) -> Thief:
    """Return a thief who has just copied the online keys of a state folder."""
    loot = Loot(state)
    return Thief(Tree(loot), loot.keys)
