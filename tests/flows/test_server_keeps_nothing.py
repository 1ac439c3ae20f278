"""The lab's server inspection, applied to real nodes with one or two workers."""

import contextlib
import copy
import dataclasses
import os
import sqlite3
import time

import pytest

from client_sim.device.client import PollingClient
from client_sim.device.internet import RealWorld
from client_sim.lab.programme.live import Target, plan_public
from client_sim.lab.server_side.canaries import Canaries
from client_sim.lab.server_side.equal_answers import find_paths
from client_sim.lab.server_side.examine import examine_server
from client_sim.lab.server_side.exchange import Sender
from client_sim.lab.server_side.inputs import Dependencies, ServerInputs, plan_site
from client_sim.lab.server_side.places import Places
from client_sim.lab.server_side.positions import plan_tls
from server.http.requests import GateMode
from tests.patience import until
from tests.ports import free_port
from tests.server.device.served import serve
from tests.server.processes.service import serving
from tests.server.release.certificate import write_certificate

HOST = "updates.hening.example"


class Node:
    """A node with a private folder for state and logs; it restarts at the same ports.

    With `programs` it is forked.
    """

    def __init__(
        self, world, folder, gate, stack, *options, workers=1, programs=None, environment=()
    ):
        folder.mkdir()
        self.how = {"programs": programs, "environment": environment}
        self.folder, self.starts = folder, 0
        self.world = world.copy(folder / "state")
        self.stack = stack.enter_context(contextlib.ExitStack())
        self.port, metrics = free_port(), free_port()
        self.metrics = f"http://127.0.0.1:{metrics}/metrics"
        self.options = (
            *("--port", str(self.port), "--metrics-port", str(metrics)),
            *("--workers", str(workers), "--gate", gate),
            *(option.replace("PORT", str(self.port)) for option in options),
        )
        self.start()

    def start(self):
        """Start the server, with a new log."""
        self.starts += 1
        logs = self.folder / f"start {self.starts}"
        logs.mkdir()
        self.service = self.stack.enter_context(
            serving(self.world, logs, *self.options, **self.how)
        )
        until(self._has_begun)

    def _has_begun(self):
        """Whether the server has made the writes of its start, which would count as growth."""
        with contextlib.closing(
            sqlite3.connect(self.folder / "state" / "hening.sqlite")
        ) as database:
            return database.execute("SELECT 1 FROM noticed").fetchone() is not None

    def restart(self):
        """End the server with SIGTERM, and start it again."""
        self.stack.close()
        self.start()

    def replace_workers(self):
        """Replace every process that serves phones by a new one."""
        self.service.hang_up()


@pytest.fixture(scope="module")
def all_canaries(published_state):
    """Draw canaries once for all servers, which have the same name and the same files."""
    with serve(published_state.folder, GateMode.DIRECT) as node:
        site = plan_site(f"http://127.0.0.1:{node.port}", HOST)
        paths = find_paths(HOST.encode(), Sender(site, ("",)).get)
    return Canaries(HOST.encode(), paths, os.urandom, tls=True, layers=1)


@pytest.fixture(scope="module")
def canaries(all_canaries):
    """Return the canaries that need no TLS; the last ones belong to handshakes."""
    plain = copy.copy(all_canaries)
    plain.planted = plain.planted[: -len(list(plan_tls(HOST.encode())))]
    return plain


@pytest.mark.parametrize("gate", GateMode)
def test_requests_leave_no_trace(published_state, canaries, programs, tmp_path, gate):
    """No canary is in state folder, logs, process files, metrics or answers, also after a restart.

    A direct gate is tested with two workers, a restart of the whole node, and another node for
    comparison. The other gates are tested with one worker that is replaced, and with the device
    plane alone for comparison.
    """
    workers = 2 if gate is GateMode.DIRECT else 1
    with contextlib.ExitStack() as stack:
        usual = {"programs": programs}
        one = Node(published_state, tmp_path / "one", gate.value, stack, workers=workers, **usual)
        if gate is GateMode.DIRECT:
            two = Node(published_state, tmp_path / "two", gate.value, stack, **usual)
        else:
            two = stack.enter_context(serve(published_state.folder, gate))
        inputs = ServerInputs(
            site=plan_site(f"http://127.0.0.1:{one.port}", HOST),
            places=Places((one.folder,), (one.service.process.pid,), (one.metrics,)),
            against=(plan_site(f"http://127.0.0.1:{two.port}", HOST),),
            restart=one.restart if gate is GateMode.DIRECT else one.replace_workers,
            settle=0.1,
            layers=1,
        )
        verdict = examine_server(
            inputs, Dependencies(os.urandom, time.sleep, time.monotonic), canaries
        )
    assert [finding for check in verdict.checks for finding in check.findings] == []
    assert verdict.is_clean
    assert len(verdict.checks) == 8
    assert verdict.positions > 200
    assert verdict.files > 20
    assert "name" not in " ".join(verdict.omissions)


def test_tls_handshakes_leave_no_trace(published_state, all_canaries, tmp_path):
    """The same holds over TLS, with canaries as server name and protocol of a handshake.

    A phone that trusts only the server's CA polls it first.
    """
    write_certificate(tmp_path, HOST)
    files = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    url = ("--public-url", "https://127.0.0.1:PORT")
    trust = {"SSL_CERT_FILE": str(tmp_path / "cert.pem")}
    with contextlib.ExitStack() as stack:
        node = Node(
            *(published_state, tmp_path / "one", "direct", stack, *files, *url), environment=trust
        )
        outcome = poll(node, (tmp_path / "cert.pem").read_text())
        inputs = ServerInputs(
            site=plan_site(f"https://127.0.0.1:{node.port}", HOST),
            places=Places((node.folder,), (node.service.process.pid,), (node.metrics,)),
            restart=node.replace_workers,
            settle=0.1,
            layers=1,
        )
        dependencies = Dependencies(os.urandom, time.sleep, time.monotonic)
        verdict = examine_server(inputs, dependencies, all_canaries)
    assert outcome.failure is None
    assert len(outcome.requests) > 2
    assert [finding for check in verdict.checks for finding in check.findings] == []
    assert verdict.positions > 200
    assert {check.name for check in verdict.checks if check.cases} == {
        *("answers", "files", "metrics", "growth", "headers", "alike", "restart")
    }


def poll(node, authority):
    """Let a phone poll a node that uses TLS."""
    root = node.world.folder.trusted_root.read_bytes()
    target = Target(HOST, node.port, "127.0.0.1")
    public = plan_public(target, root, codename="armani", region="id", channel="stable")
    world = RealWorld(
        dataclasses.replace(public, tls=True),
        {},
        now=time.time,
        entropy=os.urandom,
        resolver={HOST: ["127.0.0.1"]},
        certificate_authority=authority,
    )
    return PollingClient(world).poll()
