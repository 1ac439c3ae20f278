"""Tasks that share the work, over several processes, and the oracles that find a leaky client."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import LabError
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.programme.batteries.fleet import determinism
from client_sim.lab.programme.batteries.personal import horizon, personal, public
from client_sim.lab.programme.batteries.timing import phases
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import PROFILES
from client_sim.lab.programme.run import Runs
from client_sim.lab.programme.runner import Mapper, Task, plan_tasks, run_task, try_client


class Dying:
    """A pool whose process dies behind its first result."""

    def map(self, call, *arguments):
        """Give one result."""
        yield call(*(each[0] for each in arguments))
        raise BrokenProcessPool("a process in the pool was terminated abruptly")


def test_a_process_that_dies_is_one_sentence():
    """What was done before it comes out; then the lab says what to look for. No task, no result."""
    results = Mapper(Dying()).map(abs, [(-1,), (-2,)])
    assert next(results) == 1
    with pytest.raises(LabError, match="that ran the client has ended"):
        next(results)
    assert list(Mapper(Dying()).map(abs, [])) == []


TOY = load_client("toy")
LEAKY = load_client("imei-query")
PROBE = replace(PROFILES["probe"], layers=1)  # what is computed for two takes seconds


@pytest.fixture(scope="module")
def ground():
    """Plan the ground of the smallest client."""
    return plan_ground(TOY, 0)


def test_every_case_is_in_one_task(ground):
    """Tasks follow each other without a gap, also where the last is shorter.

    Two runs of a hundred days are a task of their own, so that no process waits long.
    """
    batteries = personal(ground, 60), public(ground, 3)
    tasks = plan_tasks(batteries, 25)
    assert [(t.battery, t.first, t.last) for t in tasks] == [
        (0, 0, 25),
        (0, 25, 50),
        (0, 50, 60),
        (1, 0, 3),
    ]
    (first, second) = plan_tasks((horizon(ground, 2),), 25)
    assert (first.last, second.first) == (1, 1)


def test_the_run_of_a_hundred_days_serves_two_batteries(ground):
    """What is compared with another owner's, to whom nothing happens, is looked at for phases."""
    compared = horizon(ground, 2).make(0).settings[0]
    assert phases(ground, 1).make(0).settings[0] is compared
    assert 402 <= compared.scenario.steps.count("poll") < 426
    assert compared.scenario.steps.count("sms-received") > 20


def test_a_phone_that_is_run_twice_is_run_twice(ground):
    """The remembered run does not stand in for the second, which would always be equal."""
    made = []

    def factory(world):
        made.append(world)
        return TOY(world)

    battery = determinism(ground, 1)
    restarts = battery.make(0).settings[0].scenario.steps.count("reboot")
    run_task(Runs(factory), (battery,), Task(0, 0, 1), PROBE)
    assert len(made) == 2 * (1 + restarts)


def test_what_is_known_is_not_asked_again(ground):
    """A guard that raised its alarm keeps silent in what follows; a profile may leave some out."""
    batteries = (personal(ground, 1),)
    said = run_task(Runs(LEAKY), batteries, Task(0, 0, 1), PROBE, {"grammar", "canaries"})
    assert "grammar" not in said
    assert "canaries" not in said
    assert said["tripwire"].count
    assert {"horizon", "phases"} <= PROBE.unsearched
    found = run_task(Runs(TOY), (phases(ground, 1),), Task(0, 0, 1), PROBE)
    assert "canaries" not in found
    assert "canaries" in run_task(Runs(TOY), (public(ground, 1),), Task(0, 0, 1), PROBE)


def test_killers_are_named_in_their_order_until_there_are_enough(ground):
    """Each oracle once; with `enough` batteries of longer runs, which come later, are not run."""
    batteries = personal(ground, 2, owners=2), public(ground, 2)
    killers = try_client(LEAKY, batteries, PROBE).killed_by
    assert {"personal", "public", "grammar", "tripwire", "canaries"} <= set(killers)
    assert len(set(killers)) == len(killers)
    few = try_client(LEAKY, batteries, PROBE, enough=2)
    assert "public" not in few.killed_by
    assert "public" not in few.asked
    clean = try_client(TOY, batteries, PROBE)
    assert clean.killed_by == ()
    assert {"personal", "public", "grammar", "tripwire", "canaries"} <= clean.asked


def test_another_alarm_is_not_waited_for_much_longer_than_the_first(ground):
    """A battery with longer runs is asked where all alarms are wanted, or none was raised."""
    batteries = personal(ground, 1, owners=2), phases(ground, 1)
    for enough in (2, 9):
        trial = try_client(find_mutant("zstd-always").make, batteries, PROBE, enough=enough)
        assert trial.killed_by == ("grammar",)
        assert "phases" not in trial.asked
    assert "phases" in try_client(TOY, batteries, PROBE, enough=2).asked
    assert "phases" in try_client(LEAKY, batteries, PROBE).asked


def test_every_run_may_be_searched_for_values_as_they_are_spelled(ground):
    """Beside the first of a battery, which is searched for what they may be dressed as.

    A release and a commit search all their runs, each for its own owner's values; not where the
    battery found something: bytes are new where they leak, and a search of all takes minutes.
    """
    assert PROFILES["full"].is_plain_searched
    assert PROFILES["quick"].is_plain_searched
    batteries = (personal(ground, 3),)
    for is_plain in (False, True):
        profile = replace(PROBE, is_plain_searched=is_plain)
        clean = run_task(Runs(TOY), batteries, Task(0, 0, 3), profile)["canaries"]
        assert (clean.runs, clean.count) == (3 * 8 if is_plain else 1, 0)
        # One phone, run twice, is alike, whatever it tells; its values are there all the same.
        told = run_task(Runs(LEAKY), (determinism(ground, 3),), Task(0, 1, 3), profile)
        assert ("canaries" in told) == is_plain
        assert not is_plain or told["canaries"].count >= 4
    told = run_task(Runs(LEAKY), batteries, Task(0, 1, 3), profile)
    assert told["personal"].count
    assert "canaries" not in told


def test_a_poll_that_is_broken_off_may_leave_an_answer_unread(ground):
    """Where nobody asks whether polls are whole, nobody asks how they end."""
    battery = personal(ground, 1)
    failing = replace(battery.make(0), spared=frozenset({"completes", "egress"}))
    asked = [
        run_task(Runs(TOY), (replace(battery, make=lambda _number, c=c: c),), Task(0, 0, 1), PROBE)
        for c in (battery.make(0), failing)
    ]
    assert {*asked[0]} - {*asked[1]} == {"completes", "egress", "ends"}
