"""Runs are made once, and judged once by each guard; the choice of servers for a client."""

import pytest

from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.clients.loading import load_client
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme import run as module
from client_sim.lab.programme.run import CANARIES, GUARDS, Run, Runs
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers import scripted
from tests.cases import case

LIMIT = 100_000


class Later(FollowingToy):
    """Follows nothing until its world is `ripe`."""

    def is_following(self):
        """Return whether it follows changes: from its second poll on."""
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number > 1

    def follow(self, connection):
        """Follow changes, or send the first two requests only."""
        if self.is_following():
            super().follow(connection)
            return
        connection.get_or_none("/metadata/2.root.json", limit=LIMIT)
        connection.get("/metadata/timestamp.json", limit=LIMIT)


class OverTls(Later):
    """Follows changes only over TLS."""

    def is_following(self):
        """Return whether TLS is used."""
        return self.world.public.tls


class Restarted(Later):
    """Follows changes after a restart."""

    def __init__(self, world):
        super().__init__(world)
        self.restarts = int(world.state.get("restarts", b"0")) + 1
        world.state["restarts"] = b"%d" % self.restarts

    def is_following(self):
        """Return whether this is not its first start."""
        return self.restarts > 1


def test_clients_that_follow_changes_get_servers_that_change():
    """Also if they follow only later, over TLS, or after a restart; others get static servers."""
    for client in (FollowingToy, Later, OverTls, Restarted):
        with case(client):
            assert plan_testbed(client, 0).quiet() is not scripted.respond
    assert plan_testbed(ToyClient, 0).quiet() is scripted.respond


TOY = load_client("toy")
LEAKY = load_client("imei-query")


@pytest.fixture(scope="module")
def testbed():
    """Plan the testbed of the toy client."""
    return plan_testbed(TOY, 0)


def test_usual_run_is_made_once(testbed):
    """`make_cached` remembers the run of a setting object; `make` runs the client again.

    Only the last few runs are remembered.
    """
    setting = testbed.setting(idle(2))
    runs = Runs(TOY)
    first = runs.make_cached(setting)
    assert runs.make_cached(setting) is first
    assert runs.make_cached(testbed.setting(idle(2))) is not first
    assert runs.make(setting) is not first
    assert runs.make(setting).observation == first.observation
    runs = Runs(TOY)
    settings = [testbed.setting(idle(1)) for _ in range(10)]
    made = [runs.make_cached(setting) for setting in settings]
    assert runs.make_cached(settings[-1]) is made[-1]
    assert runs.make_cached(settings[0]) is not made[0]


def test_guards_judge_a_run_once(testbed, monkeypatch):
    """When they are asked again, the findings are remembered."""
    judged = []

    def judge(_observation, public):
        judged.append(public.codename)
        return ()

    monkeypatch.setitem(module.GUARDS, "grammar", judge)
    run = Run(TOY, testbed.setting(idle(1)))
    assert dict(run.apply_guards(0, frozenset())) == dict(run.apply_guards(0, frozenset()))
    assert len(judged) == 1


def test_polls_and_bytes_of_a_run_are_counted(testbed):
    """Three polls have three times the bytes of one."""
    polls, data = Run(TOY, testbed.setting(idle(3))).extent
    assert polls == 3
    assert data == 3 * Run(TOY, testbed.setting(idle(1))).extent[1] > 0


def test_guards_can_be_left_out(testbed):
    """By name; the canary search is made only with a number of layers."""
    run = Run(LEAKY, testbed.setting(idle(1)))
    findings = dict(run.apply_guards(1, frozenset({"grammar"})))
    assert set(findings) == {*GUARDS, CANARIES} - {"grammar"}
    assert findings[CANARIES]
    assert findings["tripwire"]
    assert CANARIES not in dict(run.apply_guards(None, frozenset()))
    assert dict(run.apply_guards(0, frozenset()))[CANARIES]
    assert CANARIES not in dict(run.apply_guards(1, frozenset({CANARIES})))
