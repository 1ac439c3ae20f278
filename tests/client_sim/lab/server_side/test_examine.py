"""Examination of toy servers: each leaky one is found by its check, an honest one by none."""

import time

import pytest

from client_sim.lab.server_mutants.library import HONEST_SERVERS, SERVER_MUTANTS
from client_sim.lab.server_mutants.storing import STORING
from client_sim.lab.server_mutants.toy import Running, ToyServer
from client_sim.lab.servers.scripted import make_authority
from tests.client_sim.lab.server_side.conftest import HOST, draw_few

WRITING_AT_END = STORING[-1]
NODES = {"l58-node-tag", "l58-node-name", "l58-node-gzip", "l58-modified"}
REVEALING = [mutant for mutant in SERVER_MUTANTS if mutant.family == "L57"][len(STORING) :]
VARYING = [mutant for mutant in SERVER_MUTANTS if mutant.family == "L58"]


class AllStoring(ToyServer):
    """A server that stores what all storing servers store, each in its own folder."""

    def start(self):
        """Start all servers."""
        self.all = []
        for each in STORING:
            folder = self.folder / each.id
            folder.mkdir(exist_ok=True)
            self.all.append(each.kind(folder, 0))
            self.all[-1].start()

    def on_request(self, request):
        """Pass a request to all servers."""
        for each in self.all:
            each.on_request(request)

    def on_incomplete(self, data, peer):
        """Pass a broken request to all servers."""
        for each in self.all:
            each.on_incomplete(data, peer)

    def end(self):
        """End all servers."""
        for each in self.all:
            each.end()


def test_stored_values_are_found(examine, quarter):
    """In the folder of each keeper; keyed digests show only by their growth.

    The last keeper's values were already found in other folders, and are not named again.
    """
    verdict = examine(lambda folder, node: Running(AllStoring, folder, node), quarter)
    checks = {check.name: check for check in verdict.checks}
    assert checks["files"].count > len(checks["files"].findings)
    missed = {
        each.id
        for each in STORING
        if not any(f"/{each.id}/" in finding.where for finding in checks["files"].findings)
    }
    assert missed == {"l57-keyed-address", WRITING_AT_END.id}
    assert any("/l57-keyed-address/" in finding.where for finding in checks["growth"].findings)


def test_values_that_a_server_writes_when_it_ends_are_found(examine, few):
    """The files are searched after its restart."""
    assert "files" in examine(WRITING_AT_END.make, few).failed()


@pytest.mark.parametrize("mutant", REVEALING, ids=lambda mutant: mutant.id)
def test_values_that_a_server_tells_are_found(examine, quarter, mutant):
    """In its metrics or in its answers."""
    check = "metrics" if mutant.id.endswith("-label") else "answers"
    assert check in examine(mutant.make, quarter, alone=True).failed()


@pytest.mark.parametrize("mutant", VARYING, ids=lambda mutant: mutant.id)
def test_servers_with_varying_answers_are_found(examine, few, mutant):
    """Each by the check for its variation."""
    checks = {"l58-born": "restart", "l58-fixed-cookie": "headers"}
    check = checks.get(mutant.id, "nodes" if mutant.id in NODES else "alike")
    alone = check not in {"nodes", "restart"}
    assert check in examine(mutant.make, few, alone=alone).failed()


@pytest.mark.parametrize("server", HONEST_SERVERS, ids=lambda server: server.id)
def test_honest_servers_raise_no_alarm(examine, canaries, quarter, server):
    """They write what is not of a request; every check but `files` had cases."""
    verdict = examine(server.make, canaries if server is HONEST_SERVERS[0] else quarter)
    assert verdict.failed() == ()
    assert [check.name for check in verdict.checks] == [
        *("answers", "files", "metrics", "growth", "headers", "alike", "nodes", "restart")
    ]
    assert all(check.cases for check in verdict.checks if check.name != "files")


class Naming(ToyServer):
    """A server that stores the name of each TLS handshake."""

    def on_server_name(self, name):
        """Store a name."""
        with (self.folder / "names").open("a", encoding="utf-8") as file:
            file.write(name + "\n")


@pytest.fixture(scope="module")
def over_tls():
    """Draw canaries for TLS handshakes and five requests."""
    return draw_few(tls=True)


@pytest.mark.parametrize(("kind", "failed"), [(ToyServer, ()), (Naming, ("files", "growth"))])
def test_server_names_of_tls_are_searched(examine, over_tls, kind, failed):
    """They are a position of canaries that exists only over TLS."""

    def make(folder, node):
        return Running(kind, folder, node, make_authority(HOST, time.time()).context)

    verdict = examine(make, over_tls, scheme="https")
    assert verdict.failed() == failed
    found = {check.name: check.findings for check in verdict.checks}["files"]
    names = [finding.explanation.partition(" (")[0] for finding in found]
    assert names == ["name in TLS"] * bool(failed)
