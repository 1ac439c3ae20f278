"""Fixtures of the lab's tests: a phone's public facts, a world in memory, and servers."""

import socketserver
import threading
from functools import cache
from itertools import islice

import pytest

from client_sim.lab.captures import audit
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.server_side import canaries
from client_sim.lab.server_side.positions import plan_heads
from client_sim.lab.servers.caches import memoised
from client_sim.lab.servers.scripted import answer, respond
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.world import BuildFacts, Public
from fixtures.captures import HOST


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Verify each signature only once in a module's tests."""
    with memoised():
        yield


@pytest.fixture(scope="session", autouse=True)
def _share_searches():
    """Reuse the searches of audits: computing one for the same values takes half a second."""

    @cache
    def make(values, layers):
        return CanarySearch(dict(values), layers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            *(audit, "CanarySearch"),
            lambda values, layers: make(tuple(values.items()), layers),
        )
        yield


@pytest.fixture(scope="session")
def public():
    """Return a phone that polls over plain text by a host name."""
    build = BuildFacts("Hening/armani/armani:14/A/1:user/release-keys", "1", 1, 0, "2026-01-05")
    return Public(
        host="updates.example.org",
        port=8080,
        tls=False,
        codename="armani",
        region="id",
        channel="stable",
        root=b"{}",
        ota_certificate=b"",
        built_at=0,
        build=build,
    )


@pytest.fixture(scope="session")
def make_world(public):
    """Return a function that makes a world from an owner, a seed of the randomness and a start."""

    def make(personal, entropy, start):
        return MemoryWorld(public, personal, entropy=Entropy(entropy), start=start, respond=respond)

    return make


@pytest.fixture
def few_positions(monkeypatch):
    """Plant values only in the first 30 positions of requests: all take seconds."""
    monkeypatch.setattr(canaries, "plan_framings", lambda _host: ())
    monkeypatch.setattr(canaries, "plan_heads", lambda *how: islice(plan_heads(*how), 30))


class _Handler(socketserver.BaseRequestHandler):
    """Answer complete request heads until the client closes, and keep all bytes."""

    def handle(self):
        kept = b""
        asked = b""
        while chunk := self.request.recv(4096):
            kept += chunk
            asked += chunk
            whole = asked.rfind(b"\r\n\r\n") + 4
            if whole > 3:
                self.request.sendall(self.server.answer(asked[:whole]))
                asked = asked[whole:]
        self.server.kept.append(kept)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def server():
    """Run a plain TCP server on loopback; `kept` has the bytes of each finished connection."""
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.kept = []
        running.answer = answer
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Write a self-made certificate for the host, and its key, into one file."""
    # `make mutation` copies only the phone's tests, and the judges' tests need no certificate.
    from tests.server.release.certificate import write_certificate  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("tls")
    chain, key, _ = write_certificate(folder, HOST)
    path = folder / "certificate.pem"
    path.write_bytes(chain.read_bytes() + key.read_bytes())
    return path
