"""Commands and a clock that is far ahead of the newest signature."""

import importlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from server.publisher.clock import load_clock_record
from server.publisher.plan import newest_signature
from tests.server.world import PACKAGE_2

CHANNEL = "armani/id/stable"
HALT = ("rollout", "halt", CHANNEL, "--reason", "en=It drains the battery.")


@pytest.fixture
def state(world):
    """Give the state folder of a server that has something to offer."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    return world.folder.root


@pytest.fixture
def jump(monkeypatch):
    """Give a function that sets the clock of every command ahead."""

    def ahead(**how):
        for name in ("witnessed", "clock", "ordering", "recorded"):
            module = importlib.import_module(f"server.cli.{name}")
            monkeypatch.setattr(module, "now", lambda: datetime.now(UTC) + timedelta(**how))

    return ahead


@pytest.mark.parametrize("days", [1, 365 * 10])
def test_a_halt_goes_out_and_lives_no_longer(run, world, state, jump, days):
    """However far the clock is ahead; the command says whose time it used, and what to do."""
    before = newest_signature(world.published())
    jump(days=days)
    status, _, err = run(*HALT, "--state", state)
    assert status == 0
    assert "hening-server clock confirm" in err
    after = world.published()
    assert after.pointers()[f"latest/{CHANNEL}"].halted
    assert newest_signature(after) == before
    assert run("check", "--state", state)[0] == 0


def test_an_hour_is_no_jump(run, world, state, jump):
    """Commands beside a server that signs hourly say nothing of the clock."""
    jump(hours=11)
    before = newest_signature(world.published())
    status, _, err = run(*HALT, "--state", state)
    assert (status, err) == (0, "")
    assert newest_signature(world.published()) - before > timedelta(hours=10)


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "new", "timestamp"),
        ("gc",),
        ("change", "list"),
        ("rollout", "pause", CHANNEL),
    ],
)
def test_every_command_that_could_publish_notices(run, state, jump, words):
    """It is said on standard error, once, and the answer is what it was."""
    jump(days=3)
    status, out, err = run(*words, "--state", state, "--json")
    assert status == 0
    assert json.loads(out) is not None
    assert err.count("hening-server: the clock says") == err.count("\n") == 1


def test_a_person_confirms(run, world, state, jump):
    """From then on the clock's time is signed, and the trail says who confirmed it."""
    jump(hours=23)
    status, out, _ = run("clock", "show", "--state", state, "--json")
    shown = json.loads(out)
    assert (status, shown["believed"], shown["confirmed"]) == (0, False, 0)
    assert shown["clock"] - shown["vouched"] >= 23 * 3600 - 60
    assert "clock confirm" in run("clock", "show", "--state", state)[1]
    assert run("clock", "confirm", "--state", state)[0] == 0
    assert json.loads(run("clock", "show", "--state", state, "--json")[1])["believed"]
    before = newest_signature(world.published())
    status, _, err = run(*HALT, "--state", state)
    assert (status, err) == (0, "")
    assert newest_signature(world.published()) - before > timedelta(hours=22)
    words = ("trail", "list", "--action", "clock", "--state", state, "--json")
    (entry,) = json.loads(run(*words)[1])
    assert entry["actor"].startswith("cli:")
    assert entry["detail"]["clock"] == load_clock_record(world.folder).confirmed


def test_a_clock_that_is_behind_cannot_be_confirmed(run, state, jump):
    """Something was signed later: the clock is wrong, whoever says otherwise."""
    jump(days=-1)
    status, out, err = run("clock", "confirm", "--state", state)
    assert (status, out) == (1, "")
    assert "mend the clock" in err
