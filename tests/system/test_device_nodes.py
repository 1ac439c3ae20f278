"""Device nodes of a site that use TLS themselves, with and without workers."""

import contextlib
import os
import shutil
import signal
import ssl
from http.client import HTTPConnection
from types import SimpleNamespace

import pytest

from server.settings import Node
from server.storage.durable import write_durable
from tests.patience import until
from tests.server.processes.service import REPLACED, TIMESTAMP, ask, serving
from tests.server.release.certificate import write_certificate
from tests.server.world import PACKAGE_2

NAMES = ("tree_url", "blobs_url", "s3_endpoint", "s3_key_id", "s3_secret")
KILLED = "a worker ended and is started again"


def is_ready(port):
    """Return whether a node reports that it is ready."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200


@pytest.mark.needs("seaweed", "postgresql")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_node_with_certificate(site, programs, tmp_path, workers):
    """The node serves each snapshot over TLS, also by workers, and loads a renewed certificate."""
    folder, live = site.device("node"), tmp_path / "live"
    chosen = site.settings(Node.DEVICE)
    lines = [f'{name} = "{getattr(chosen, name)}"\n' for name in NAMES]
    write_durable(folder.settings, "".join(['node = "device"\n', *lines]).encode())
    first, second = tmp_path / "certificate", tmp_path / "renewed"
    for place in (first, second):
        place.mkdir()
        write_certificate(place)
    shutil.copytree(first, live)
    options = ["--tls-cert", str(live / "cert.pem"), "--tls-key", str(live / "key.pem")]
    options += ["--public-url", "https://127.0.0.1", "--workers", workers]

    def poll(path=TIMESTAMP, certificate=first):
        context = ssl.create_default_context(cafile=certificate / "cert.pem")
        with context.wrap_socket(node.connect(), server_hostname="127.0.0.1") as connection:
            return ask(connection, path)

    world = SimpleNamespace(folder=folder)
    with serving(world, tmp_path, *options, programs=programs) as node:
        until(lambda: poll()[0] == 200)
        assert len(node.workers()) == int(workers)
        until(lambda: is_ready(node.metrics_port))
        result = site.first.publish(site.first.second_release(), [PACKAGE_2])
        assert result.reason == ""
        until(lambda: poll("/metadata/3.armani.json")[0] == 200)
        for worker in node.workers():
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(node.logged(KILLED)) == int(workers))
        until(lambda: poll("/metadata/3.armani.json")[0] == 200)
        shutil.copytree(second, live, dirs_exist_ok=True)
        node.hang_up(REPLACED if workers != "0" else "the certificate was read again")
        assert poll(certificate=second)[0] == 200
        assert {each["event"] for each in node.events() if each["level"] == "error"} <= {KILLED}
