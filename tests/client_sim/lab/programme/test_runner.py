"""Tasks of a programme, and the oracles that find a leaky client."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import LabError
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.programme.batteries.fleet import determinism
from client_sim.lab.programme.batteries.personal import horizon, personal, public
from client_sim.lab.programme.batteries.timing import phases
from client_sim.lab.programme.plan import PROFILES
from client_sim.lab.programme.run import Runs
from client_sim.lab.programme.runner import Mapper, Task, plan_tasks, run_task, try_client
from client_sim.lab.programme.testbed import plan_testbed


class Dying:
    """A pool whose process dies after its first result."""

    def map(self, call, *arguments):
        """Yield one result."""
        yield call(*(each[0] for each in arguments))
        raise BrokenProcessPool("a process in the pool was terminated abruptly")


def test_process_that_dies_is_an_error():
    """Its earlier results are returned before the error is raised."""
    results = Mapper(Dying()).map(abs, [(-1,), (-2,)])
    assert next(results) == 1
    with pytest.raises(LabError, match="that ran the client has ended"):
        next(results)
    assert list(Mapper(Dying()).map(abs, [])) == []


TOY = load_client("toy")
LEAKY = load_client("imei-query")
PROBE = replace(PROFILES["probe"], layers=1)  # search terms for two layers take seconds


@pytest.fixture(scope="module")
def testbed():
    """Plan the testbed of the toy client."""
    return plan_testbed(TOY, 0)


def test_every_case_is_in_one_task(testbed):
    """The last task of a battery may be shorter; a case with runs of a hundred days is one task."""
    batteries = personal(testbed, 60), public(testbed, 3)
    tasks = plan_tasks(batteries, 25)
    assert [(t.battery, t.first, t.last) for t in tasks] == [
        (0, 0, 25),
        (0, 25, 50),
        (0, 50, 60),
        (1, 0, 3),
    ]
    (first, second) = plan_tasks((horizon(testbed, 2),), 25)
    assert (first.last, second.first) == (1, 1)


def test_run_of_a_hundred_days_is_shared_by_two_batteries(testbed):
    """`horizon` compares it with another owner's, and `phases` judges its polls."""
    compared = horizon(testbed, 2).make(0).settings[0]
    assert phases(testbed, 1).make(0).settings[0] is compared
    assert 402 <= compared.scenario.steps.count("poll") < 426
    assert compared.scenario.steps.count("sms-received") > 20


def test_determinism_runs_the_client_twice(testbed):
    """The second run is not the remembered first one."""
    made = []

    def factory(world):
        made.append(world)
        return TOY(world)

    battery = determinism(testbed, 1)
    restarts = battery.make(0).settings[0].scenario.steps.count("reboot")
    run_task(Runs(factory), (battery,), Task(0, 0, 1), PROBE)
    assert len(made) == 2 * (1 + restarts)


def test_guards_that_raised_an_alarm_are_not_applied_again(testbed):
    """A task leaves out the guards in `known`."""
    batteries = (personal(testbed, 1),)
    tallies = run_task(Runs(LEAKY), batteries, Task(0, 0, 1), PROBE, {"grammar", "canaries"})
    assert "grammar" not in tallies
    assert "canaries" not in tallies
    assert tallies["tripwire"].count


def test_long_runs_are_not_searched_for_canaries(testbed):
    """The profile names the batteries that are not searched."""
    assert {"horizon", "phases"} <= PROBE.unsearched
    assert "canaries" not in run_task(Runs(TOY), (phases(testbed, 1),), Task(0, 0, 1), PROBE)
    assert "canaries" in run_task(Runs(TOY), (public(testbed, 1),), Task(0, 0, 1), PROBE)


def test_killers_are_listed_until_there_are_enough(testbed):
    """Each oracle once; with `enough`, batteries with longer runs are not run."""
    batteries = personal(testbed, 2, owners=2), public(testbed, 2)
    killers = try_client(LEAKY, batteries, PROBE).killed_by
    assert {"personal", "public", "grammar", "tripwire", "canaries"} <= set(killers)
    assert len(set(killers)) == len(killers)
    few = try_client(LEAKY, batteries, PROBE, enough=2)
    assert "public" not in few.killed_by
    assert "public" not in few.examined_by
    clean = try_client(TOY, batteries, PROBE)
    assert clean.killed_by == ()
    assert {"personal", "public", "grammar", "tripwire", "canaries"} <= clean.examined_by


def test_second_alarm_is_not_awaited_much_longer_than_the_first(testbed):
    """With `enough`, batteries with longer runs are run only if there was no alarm."""
    batteries = personal(testbed, 1, owners=2), phases(testbed, 1)
    for enough in (2, 9):
        trial = try_client(find_mutant("zstd-always").make, batteries, PROBE, enough=enough)
        assert trial.killed_by == ("grammar",)
        assert "phases" not in trial.examined_by
    assert "phases" in try_client(TOY, batteries, PROBE, enough=2).examined_by
    assert "phases" in try_client(LEAKY, batteries, PROBE).examined_by


def test_plain_search_of_every_run(testbed):
    """With `is_plain_searched`, all runs are searched for plain values, each for its owner's.

    Cases in which the battery found something are not searched. Releases and commits search.
    """
    assert PROFILES["full"].is_plain_searched
    assert PROFILES["quick"].is_plain_searched
    batteries = (personal(testbed, 3),)
    for is_plain in (False, True):
        profile = replace(PROBE, is_plain_searched=is_plain)
        clean = run_task(Runs(TOY), batteries, Task(0, 0, 3), profile)["canaries"]
        assert (clean.runs, clean.count) == (3 * 8 if is_plain else 1, 0)
        # This battery finds nothing, because a phone that is run twice leaks the same twice.
        leaky = run_task(Runs(LEAKY), (determinism(testbed, 3),), Task(0, 1, 3), profile)
        assert ("canaries" in leaky) == is_plain
        assert not is_plain or leaky["canaries"].count >= 4
    leaky = run_task(Runs(LEAKY), batteries, Task(0, 1, 3), profile)
    assert leaky["personal"].count
    assert "canaries" not in leaky


def test_guards_that_a_case_skips_are_not_applied(testbed):
    """`ends` is skipped with `completes`: an aborted poll leaves an answer unread."""
    battery = personal(testbed, 1)
    failing = replace(battery.make(0), skipped_guards=frozenset({"completes", "egress"}))
    asked = [
        run_task(Runs(TOY), (replace(battery, make=lambda _number, c=c: c),), Task(0, 0, 1), PROBE)
        for c in (battery.make(0), failing)
    ]
    assert {*asked[0]} - {*asked[1]} == {"completes", "egress", "ends"}
