"""`edge` as a client of device nodes, with and without TLS. nginx itself is in `tests/system`."""

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Timestamp

from server import rotation
from server.cli import edge
from server.device.documents import make_document
from server.device.snapshot import Snapshot
from tests.server.device.served import HOST, serve_snapshot
from tests.server.release.certificate import write_certificate

TIMESTAMP = "/metadata/timestamp.json"


@pytest.fixture
def ceremony(published_state):
    """Return keys that sign a site's roots and timestamps."""
    return published_state.ceremony.copy()


@pytest.fixture
def run_edge(ceremony, run, tmp_path, monkeypatch):
    """Run `edge` once; return the nodes that nginx uses, and the output."""
    monkeypatch.setattr(rotation, "GRACE", 0)
    monkeypatch.setattr(edge, "ANSWER_SECONDS", 0.5)
    root, upstream = tmp_path / "1.root.json", tmp_path / "nodes.conf"
    root.write_bytes(ceremony.root(1))

    def call(*nodes, options=()):
        words = [word for node in nodes for word in ("--node", node)]
        words += ["--host", HOST.decode(), "--root", root, "--upstream", upstream]
        status, out, err = run("edge", *words, "--reload", "true", "--once", *options)
        assert status == 0, err
        lines = upstream.read_text().splitlines()
        return [line for line in lines if not line.endswith(" down;")], out + err

    return call


def sign(ceremony, version, signer):
    """Sign a timestamp."""
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    return ceremony.sign("timestamp", Timestamp(version, None, expires, MetaFile(1)), [signer])


def node(timestamp, roots=(), tls=None):
    """Serve a timestamp, and roots from the second on."""
    names = {TIMESTAMP: timestamp}
    names |= {f"/metadata/{number}.root.json": data for number, data in enumerate(roots, 2)}
    documents = {url: make_document(url, data, mutable=True) for url, data in names.items()}
    snapshot = Snapshot(1, documents, {}, frozenset(), {}, root=1 + len(roots))
    return serve_snapshot(snapshot, None, tls=tls)


def test_node_with_a_foreign_timestamp_is_not_used(ceremony, run_edge):
    """A node with a foreign timestamp is not used, and the reason is printed."""
    online, foreign = ceremony.online.signers["timestamp"], CryptoSigner.generate_ed25519()
    with (
        node(sign(ceremony, 7, online)) as good,
        node(sign(ceremony, 900, foreign)) as other,
    ):
        used, output = run_edge(f"127.0.0.1:{good.port}", f"127.0.0.1:{other.port}")
    assert used == [f"server 127.0.0.1:{good.port};"]
    assert f"127.0.0.1:{other.port}: timestamp 900 does not have the required signatures" in output


def test_node_without_the_newest_root_lags(ceremony, run_edge):
    """A node without the newest root lags behind one that has it, whatever the versions."""
    former, following = ceremony.online.signers["timestamp"], CryptoSigner.generate_ed25519()
    second = ceremony.root(2, {"timestamp": [following.public_key]})
    third = ceremony.root(3, {"timestamp": [following.public_key]})
    with (
        node(sign(ceremony, 1, following), [second, third]) as new,
        node(sign(ceremony, 900, former)) as old,
    ):
        used, _ = run_edge(f"127.0.0.1:{old.port}", f"127.0.0.1:{new.port}")
    assert used == [f"server 127.0.0.1:{new.port};"]


def test_node_with_an_invalid_root_is_not_used(ceremony, run_edge):
    """A node with an invalid root is not used."""
    online, foreign = ceremony.online.signers["timestamp"], CryptoSigner.generate_ed25519()
    good, bad = sign(ceremony, 7, online), sign(ceremony, 900, foreign)
    stolen = ceremony.copy()
    stolen.keys["root"] = [CryptoSigner.generate_ed25519() for _ in range(3)]
    root = stolen.root(2, {"timestamp": [foreign.public_key]})
    with node(good) as valid, node(bad, [root]) as forged:
        used, output = run_edge(f"127.0.0.1:{forged.port}", f"127.0.0.1:{valid.port}")
    assert used == [f"server 127.0.0.1:{valid.port};"]
    assert "root 2 is not signed by the trusted root keys" in output


@pytest.fixture
def tls(tmp_path):
    """Return the TLS context of nodes with the site's certificate, and its authority."""
    certificate, key, _ = write_certificate(tmp_path, HOST.decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_nodes_with_tls(ceremony, run_edge, tls):
    """Nodes are requested over TLS; one with an untrusted certificate is not used."""
    online = ceremony.online.signers["timestamp"]
    old, new = sign(ceremony, 7, online), sign(ceremony, 8, online)
    context, authority = tls
    with node(old, tls=context) as one, node(new, tls=context) as two:
        nodes = [f"https://127.0.0.1:{each.port}" for each in (one, two)]
        used, _ = run_edge(*nodes, options=["--ca", authority])
        assert used == [f"server 127.0.0.1:{two.port};"]
        used, output = run_edge(*nodes)
        assert len(used) == 2
        assert output.count("certificate verify failed") == 2


def test_mixed_nodes_are_refused(run, published_state):
    """Nodes with and without TLS in one upstream of nginx are refused."""
    words = ["--node", "a.example:1", "--node", "https://b.example:1", "--host", "any"]
    words += ["--root", published_state.folder.trusted_root, "--upstream", "any", "--reload", "any"]
    status, _, err = run("edge", *words)
    assert status == 2
    assert "nginx uses TLS for all nodes of an upstream, or for none." in err


def test_endless_answer_does_not_delay_other_nodes(run_edge):
    """A node with an endless answer is not used, and does not delay the others."""

    def trickle():
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9999\r\n\r\n"
            )
            while not ended.wait(0.1):
                connection.sendall(b" ")

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=trickle)
        thread.start()
        _, output = run_edge(f"127.0.0.1:{listening.getsockname()[1]}")
        ended.set()
        thread.join()
    assert output.startswith("1 of 1 nodes are asked.\n")
