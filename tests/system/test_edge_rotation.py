"""The edge in front of several device nodes: `hening-server edge` selects the nodes for nginx."""

import contextlib
import itertools
import re
import ssl

import pytest
from click.testing import CliRunner

from server import rotation
from server.cli import cli
from tests.edge import Edge, snapshot_of
from tests.nginx import ROOT, run_edge
from tests.patience import until
from tests.server.device.served import HOST, serve, serve_snapshot
from tests.server.release.certificate import write_certificate
from tests.server.world import PACKAGE_2

pytestmark = pytest.mark.needs("nginx")
PAGE = ROOT / "docs" / "how-to" / "many-machines.md"


@pytest.fixture
def nodes(published_state, tmp_path):
    """Return the state folder of a node that lags, and that of a node with the newest release."""
    newer = published_state.copy(tmp_path / "newer")
    assert newer.publish(newer.second_release(), [PACKAGE_2]).reason == ""
    return published_state.folder, newer.folder


def answers(served):
    """Return how many requests a node has answered."""
    return sum(served.plane.counts.answers.values())


def test_lagging_nodes_are_avoided(nodes, tmp_path, monkeypatch):
    """A node that lags gets no request while another node is available; otherwise it gets all."""
    monkeypatch.setattr(rotation, "GRACE", 0)
    upstream, folder = tmp_path / "nodes.conf", tmp_path / "edge"
    folder.mkdir()
    certificate, key, _ = write_certificate(folder)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False

    def look():
        command = ["edge", "--host", HOST.decode(), "--upstream", str(upstream), "--once"]
        command += ["--root", str(nodes[0].trusted_root)]
        command += ["--reload", f"sh -c 'kill -HUP $(cat {folder}/nginx/pid)'"]
        for port in ports:
            command += ["--node", f"127.0.0.1:{port}"]
        return CliRunner().invoke(cli, command, catch_exceptions=False).stdout

    def asks_alone(served, other):
        """Request uncached files; return whether only `served` got requests."""
        before = answers(other), answers(served)
        for _ in range(6):
            if edge.get(f"/log/proof/armani.{next(numbers)}").status != 404:
                return False  # from an nginx worker that has not read the new file
        return (answers(other), answers(served)) == (before[0], before[1] + 6)

    with serve(nodes[0]) as old, contextlib.ExitStack() as running:
        new = running.enter_context(serve(nodes[1]))
        ports, numbers = (old.port, new.port), itertools.count(1000)
        upstream.write_text("".join(f"server 127.0.0.1:{port};\n" for port in ports))
        with run_edge(upstream, certificate, key, folder / "nginx") as port:
            edge = Edge(port, folder / "nginx", None, context)
            assert not asks_alone(new, old)
            assert look() == f"1 of 2 nodes are asked; not 127.0.0.1:{old.port}.\n"
            until(lambda: asks_alone(new, old))
            running.close()
            assert look() == f"1 of 2 nodes are asked; not 127.0.0.1:{new.port}.\n"
            until(lambda: asks_alone(old, new))


def test_nodes_with_certificates(published_state, tmp_path):
    """With the how-to page's lines nginx connects to nodes by TLS, and verifies their name."""
    (lines,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    name = HOST.decode()
    certificate, key, _ = write_certificate(tmp_path, name)
    lines = lines.replace("updates.example.org", name)
    lines = lines.replace("/etc/ssl/certs/ca-certificates.crt", str(certificate))
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(certificate, key)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    upstream, nginx = tmp_path / "nodes.conf", tmp_path / "nginx"
    snapshot = snapshot_of(published_state)
    with serve_snapshot(snapshot, None, hosts=(b"updates.example.org",), tls=inside) as node:
        upstream.write_text(f"server 127.0.0.1:{node.port};\n")
        with run_edge(upstream, certificate, key, nginx, over_tls=lines) as port:
            edge = Edge(port, nginx, None, context)
            assert edge.get("/metadata/timestamp.json").status == 200
        stranger = lines.replace(name, "other.example")
        with run_edge(upstream, certificate, key, tmp_path / "other", over_tls=stranger) as port:
            edge = Edge(port, nginx, None, context)
            assert edge.get("/metadata/timestamp.json").status == 503
