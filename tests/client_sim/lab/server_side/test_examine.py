import time

import pytest

from client_sim.lab.server_mutants.keepers import KEEPERS
from client_sim.lab.server_mutants.library import HONEST_SERVERS, SERVER_MUTANTS
from client_sim.lab.server_mutants.toy import Running, ToyServer
from client_sim.lab.servers.scripted import make_authority
from tests.client_sim.lab.server_side.conftest import HOST, draw_few

AT_THE_END = KEEPERS[-1]
NODES = {"l58-node-tag", "l58-node-name", "l58-node-gzip", "l58-modified"}
TOLD = [mutant for mutant in SERVER_MUTANTS if mutant.family == "L57"][len(KEEPERS) :]
VARYING = [mutant for mutant in SERVER_MUTANTS if mutant.family == "L58"]


class Together(ToyServer):
    """A server that keeps what all mutants keep, each in a folder of its own."""

    def start(self):
        """Start them all."""
        self.all = []
        for each in KEEPERS:
            folder = self.folder / each.id
            folder.mkdir(exist_ok=True)
            self.all.append(each.kind(folder, 0))
            self.all[-1].start()

    def note(self, asked):
        """Let all of them note."""
        for each in self.all:
            each.note(asked)

    def broke(self, data, peer):
        """Let all of them see what broke off."""
        for each in self.all:
            each.broke(data, peer)

    def end(self):
        """End them all."""
        for each in self.all:
            each.end()


def test_whatever_a_server_keeps_is_found(examine, some):
    """In the folder of each; what is under a key of the server's own shows by its growth alone.

    What the last one writes has been found with others, and is not named again.
    """
    verdict = examine(lambda folder, node: Running(Together, folder, node), some)
    checks = {check.name: check for check in verdict.checks}
    assert checks["files"].count > len(checks["files"].findings)
    missed = {
        each.id
        for each in KEEPERS
        if not any(f"/{each.id}/" in finding.where for finding in checks["files"].findings)
    }
    assert missed == {"l57-keyed-address", AT_THE_END.id}
    assert any("/l57-keyed-address/" in finding.where for finding in checks["growth"].findings)


def test_what_a_server_writes_when_it_ends_is_found(examine, few):
    """After its restart."""
    assert "files" in examine(AT_THE_END.make, few).failed()


@pytest.mark.parametrize("mutant", TOLD, ids=lambda mutant: mutant.id)
def test_whatever_a_server_tells_is_found(examine, some, mutant):
    """In its metrics or in its answers."""
    wanted = "metrics" if mutant.id.endswith("-label") else "answers"
    assert wanted in examine(mutant.make, some, alone=True).failed()


@pytest.mark.parametrize("mutant", VARYING, ids=lambda mutant: mutant.id)
def test_a_server_that_answers_some_otherwise_is_found(examine, few, mutant):
    """Each by the check that is there for it."""
    wanted = {"l58-born": "restart", "l58-fixed-cookie": "headers"}
    failed = wanted.get(mutant.id, "nodes" if mutant.id in NODES else "alike")
    alone = failed not in {"nodes", "restart"}
    assert failed in examine(mutant.make, few, alone=alone).failed()


@pytest.mark.parametrize("server", HONEST_SERVERS, ids=lambda server: server.id)
def test_an_honest_server_raises_no_alarm(examine, canaries, some, server):
    """Whatever it writes that is not of a request, and all checks had something to look at."""
    verdict = examine(server.make, canaries if server is HONEST_SERVERS[0] else some)
    assert verdict.failed() == ()
    assert [check.name for check in verdict.checks] == [
        *("answers", "files", "metrics", "growth", "headers", "alike", "nodes", "restart")
    ]
    assert all(check.cases for check in verdict.checks if check.name != "files")


class Naming(ToyServer):
    """A server that writes down the name that a TLS handshake asks for."""

    def named(self, name):
        """Write it."""
        with (self.folder / "names").open("a", encoding="utf-8") as file:
            file.write(name + "\n")


@pytest.fixture(scope="module")
def over_tls():
    """Draw canaries for handshakes, and few others."""
    return draw_few(tls=True)


@pytest.mark.parametrize(("kind", "failed"), [(ToyServer, ()), (Naming, ("files", "growth"))])
def test_a_server_is_examined_over_tls(examine, over_tls, kind, failed):
    """A name of a handshake is a position like any other, and there only by TLS."""

    def make(folder, node):
        return Running(kind, folder, node, make_authority(HOST, time.time()).context)

    verdict = examine(make, over_tls, scheme="https")
    assert verdict.failed() == failed
    found = {check.name: check.findings for check in verdict.checks}["files"]
    names = [finding.explanation.partition(" (")[0] for finding in found]
    assert names == ["name in TLS"] * bool(failed)
