"""Which servers suit a client; runs that are made once, and judged once by each guard."""

import pytest

from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.clients.loading import load_client
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme import run as module
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.run import CANARIES, GUARDS, Run, Runs
from client_sim.lab.scenarios.lives import idle
from client_sim.lab.servers import scripted
from tests.cases import case

LIMIT = 100_000


class Later(FollowingToy):
    """Follows nothing until its world is `ripe`."""

    def ripe(self):
        """Say whether it follows from now on: from its second poll on."""
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number > 1

    def follow(self, connection):
        """Ask as who never follows does, at first."""
        if self.ripe():
            super().follow(connection)
            return
        connection.get_if_there("/metadata/2.root.json", limit=LIMIT)
        connection.get("/metadata/timestamp.json", limit=LIMIT)


class OverTls(Later):
    """Follows over TLS alone."""

    def ripe(self):
        """Say whether this is TLS."""
        return self.world.public.tls


class Restarted(Later):
    """Follows once it has been restarted."""

    def __init__(self, world):
        super().__init__(world)
        self.restarts = int(world.state.get("restarts", b"0")) + 1
        world.state["restarts"] = b"%d" % self.restarts

    def ripe(self):
        """Say whether this is not its first start."""
        return self.restarts > 1


def test_who_follows_at_some_time_meets_servers_that_change():
    """The first poll alone would give up three of them.

    What a client that never follows would have to fetch next is not there.
    """
    for client in (FollowingToy, Later, OverTls, Restarted):
        with case(client):
            assert plan_ground(client, 0).quiet() is not scripted.respond
    assert plan_ground(ToyClient, 0).quiet() is scripted.respond


TOY = load_client("toy")
LEAKY = load_client("imei-query")


@pytest.fixture(scope="module")
def ground():
    """Plan the ground of the smallest client."""
    return plan_ground(TOY, 0)


def test_a_run_that_others_are_compared_with_is_made_once(ground):
    """One setting is one run; a setting that is equal, or a run that is to be another, is anew.

    Few are remembered: a programme with thousands of cases does not keep them all.
    """
    setting = ground.setting(idle(2))
    runs = Runs(TOY)
    first = runs.usual(setting)
    assert runs.usual(setting) is first
    assert runs.usual(ground.setting(idle(2))) is not first
    assert runs.another(setting) is not first
    assert runs.another(setting).seen == first.seen
    runs = Runs(TOY)
    settings = [ground.setting(idle(1)) for _ in range(10)]
    made = [runs.usual(setting) for setting in settings]
    assert runs.usual(settings[-1]) is made[-1]
    assert runs.usual(settings[0]) is not made[0]


def test_guards_judge_a_run_once(ground, monkeypatch):
    """Whoever is asked again says the same without looking again; polls and bytes are counted."""
    looks = []

    def look(_observation, public):
        looks.append(public.codename)
        return ()

    monkeypatch.setitem(module.GUARDS, "grammar", look)
    run = Run(TOY, ground.setting(idle(1)))
    assert dict(run.ask_guards(0, frozenset())) == dict(run.ask_guards(0, frozenset()))
    assert len(looks) == 1
    polls, data = Run(TOY, ground.setting(idle(3))).extent
    assert polls == 3
    assert data == 3 * Run(TOY, ground.setting(idle(1))).extent[1] > 0


def test_guards_are_left_out_by_name(ground):
    """All guards look but those that are spared, and the canary search where it is asked for."""
    run = Run(LEAKY, ground.setting(idle(1)))
    said = dict(run.ask_guards(1, frozenset({"grammar"})))
    assert set(said) == {*GUARDS, CANARIES} - {"grammar"}
    assert said[CANARIES]
    assert said["tripwire"]
    assert CANARIES not in dict(run.ask_guards(None, frozenset()))
    assert dict(run.ask_guards(0, frozenset()))[CANARIES]
    assert CANARIES not in dict(run.ask_guards(1, frozenset({CANARIES})))
