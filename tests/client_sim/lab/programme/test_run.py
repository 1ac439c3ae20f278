"""Runs that are made once, and guards that judge each of them once."""

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.programme import run as module
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.guards import CANARIES, GUARDS
from client_sim.lab.programme.run import Run, Runs
from client_sim.lab.scenarios.lives import idle

TOY = load_client("toy")
LEAKY = load_client("imei-query")


@pytest.fixture(scope="module")
def ground():
    """Plan the ground of the smallest client."""
    return plan_ground(TOY, 0)


def test_a_run_that_others_are_compared_with_is_made_once(ground):
    """One setting is one run; a setting that is equal, or a run that is to be another, is anew."""
    setting = ground.setting(idle(2))
    runs = Runs(TOY)
    first = runs.usual(setting)
    assert runs.usual(setting) is first
    assert runs.usual(ground.setting(idle(2))) is not first
    assert runs.another(setting) is not first
    assert runs.another(setting).seen == first.seen


def test_few_runs_are_remembered(ground):
    """A run of a programme with thousands of cases does not keep them all."""
    runs = Runs(TOY)
    settings = [ground.setting(idle(1)) for _ in range(10)]
    made = [runs.usual(setting) for setting in settings]
    assert runs.usual(settings[-1]) is made[-1]
    assert runs.usual(settings[0]) is not made[0]


def test_an_extent_counts_polls_and_bytes(ground):
    """Three polls send three times what one sends."""
    polls, data = Run(TOY, ground.setting(idle(3))).extent
    assert polls == 3
    assert data == 3 * Run(TOY, ground.setting(idle(1))).extent[1] > 0


def test_guards_judge_a_run_once(ground, monkeypatch):
    """Whoever is asked again says the same without looking again."""
    looks = []

    def look(_observation, public):
        looks.append(public.codename)
        return ()

    monkeypatch.setitem(module.GUARDS, "grammar", look)
    run = Run(TOY, ground.setting(idle(1)))
    assert dict(run.ask_guards(0, frozenset())) == dict(run.ask_guards(0, frozenset()))
    assert len(looks) == 1


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
