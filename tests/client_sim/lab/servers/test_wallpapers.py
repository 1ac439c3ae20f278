"""Requests for wallpapers: they reveal which one the owner chose, and nothing else."""

import pytest

from client_sim.content.kinds import KINDS
from client_sim.content.plan import plan_picture
from client_sim.content.store import Store
from client_sim.content.themes import fetch_picture
from client_sim.device.client import PollingClient
from client_sim.lab.oracles.cardinality import judge_cardinality
from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.grammar import parse_requests
from client_sim.lab.oracles.judging import judge_completion, judge_egress, judge_grammar
from client_sim.lab.programme.case import judge_same_polls
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.servers.contents import Publication, renew_content
from client_sim.lab.servers.packs import PARTS, PICTURE
from client_sim.lab.servers.repository import Repository
from client_sim.lab.trace.memory import Entropy
from client_sim.persona import make_persona

REPOSITORY = Repository(kinds=tuple(PARTS))
PUBLIC = REPOSITORY.public("armani", "id", "stable")
START = 1_767_225_600.0
# After the second poll, by the clock: the choice of a picture makes another connection.
HISTORY = [Publication("other content", renew_content, at=START + 28_800)]


def choosing(name):
    """Make a phone whose owner chooses a wallpaper when a photo is taken, or none."""

    class Choosing(PollingClient):
        def on_event(self, _event):
            world = self.world
            if name:
                store, kind = Store(world.state), KINDS["wallpapers"]
                file = plan_picture(store.load(kind), name)
                _, entries = store.load_used(kind)
                assert fetch_picture(world, file, entries[name], name) == PICTURE

    return Choosing


def live(name):
    """Observe a phone that polls, whose owner then chooses, and that polls twice again."""
    steps = (POLL, "photo-taken", POLL, POLL)
    return observe(
        choosing(name),
        Setting(
            PUBLIC,
            make_persona(1),
            Entropy(b"e"),
            START,
            lambda: REPOSITORY.serve(HISTORY),
            Scenario("a wallpaper", steps),
        ),
    )


@pytest.fixture(scope="module")
def lives():
    """Observe the phones of owners who choose one of two wallpapers, or none."""
    return {name: live(name) for name in ("dawn", "dusk", "")}


def test_choice_is_one_request(lives):
    """Over its own connection and in the table; comparing owners finds which one was chosen."""
    for name in ("dawn", "dusk"):
        chosen = [c for c in lives[name].connections() if not c.phase.startswith(POLL)]
        (connection,) = chosen
        (request,) = parse_requests(connection.data, b"updates.hening.example")
        assert (request.rule, request.parts["picture"]) == ("picture", name.encode())
        assert judge_grammar(lives[name], PUBLIC) == ()
        assert judge_egress(lives[name], PUBLIC) == ()
        assert judge_completion(lives[name], PUBLIC) == ()
    found = judge_equality(lives["dawn"], lives["dusk"], "another owner's", with_time=True)
    assert [finding.field for finding in found] == ["request 1, path"]


def test_polls_do_not_depend_on_the_choice(lives):
    """Their bytes are equal; only the request between polls differs."""
    assert judge_cardinality(lives.values()) == ()
    polls = [
        [(c.phase, c.data) for c in each.connections() if c.phase.startswith(POLL)]
        for each in lives.values()
    ]
    assert polls[0] == polls[1] == polls[2]
    assert [b"/targets/content/" in data for _, data in polls[0]] == [True, False, True]
    assert judge_same_polls([lives[""], lives["dawn"]]) != ()
