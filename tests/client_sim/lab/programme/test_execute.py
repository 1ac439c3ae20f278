"""Programmes on one client, and kill matrices of libraries of leaky clients."""

from dataclasses import replace

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.errors import ClientNotFoundError, ClientOverdueError
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.programme import execute, plan
from client_sim.lab.programme.execute import run_matrix, run_programme
from client_sim.lab.programme.library import load_library
from client_sim.lab.programme.plan import BATTERIES, PROFILES, Plan, make_batteries
from client_sim.lab.programme.run import QUESTIONS
from client_sim.lab.programme.runner import Mapper, Trial, open_pool
from client_sim.lab.programme.testbed import plan_testbed


def ignore(_what, _done, _total):
    """Ignore progress."""


@pytest.fixture(scope="module")
def toy():
    """Run the programme on the toy client, which is clean."""
    return run_programme(Plan("toy", "probe", 0), Mapper(None), ignore)


@pytest.fixture
def few(monkeypatch):
    """Reduce profile `probe` to a few batteries with two cases each."""
    sizes = {"personal": 2, "events": 2, "public": 2, "fleet": 2}
    small = replace(PROFILES["probe"], sizes=sizes)
    monkeypatch.setattr(plan, "PROFILES", {"probe": small})


def test_clean_client_passes_all_batteries_and_guards(toy):
    """The numbers of runs add up, no field reveals anything, and intervals are 4 to 8 hours."""
    sizes = PROFILES["probe"].sizes
    asked = {battery.oracle for battery in toy.batteries}
    assert asked == {*sizes, *QUESTIONS}
    assert toy.is_clean
    alone = {b.oracle: b for b in toy.batteries}
    assert toy.runs == sum(alone[oracle].runs for oracle in sizes)
    assert alone["personal"].runs == 8 * sizes["personal"]
    assert all(b.cases > 0 and b.polls > 0 for b in toy.batteries)
    assert {row.bits for row in toy.fields} == {0.0}
    assert {row.min_k for row in toy.fields} == {40}
    assert "the whole poll" in {row.field for row in toy.fields}
    assert all(14_400 <= seconds <= 28_800 for seconds in toy.intervals)
    assert len(toy.intervals) == 1000


def test_findings_of_a_client_that_is_given_up(monkeypatch):
    """Those of finished tasks are kept; the client is not run again to sample or to reduce."""
    run, made = execute.run_task, []

    def give_up(*arguments):
        made.append(arguments)
        if len(made) > 3:
            raise ClientOverdueError("the client did not come back")
        return run(*arguments)

    monkeypatch.setattr(execute, "run_task", give_up)
    factory = find_mutant("imei-query").make
    testbed = plan_testbed(factory, 0)
    batteries = make_batteries(testbed, PROFILES["probe"])
    asked = Plan("imei-query", "probe", 0), PROFILES["probe"], factory, testbed, batteries
    part = execute.run_batteries(*asked, phones=4, on_progress=ignore)
    assert part.given_up == "the client did not come back"
    assert (part.verdict, part.is_clean, len(made)) == ("leak", False, 4)
    assert {"grammar", "canaries"} <= {*part.failed()}
    assert (part.sample.departures, part.fields) == ((), ())
    assert part.owners


def test_result_does_not_depend_on_the_number_of_processes(toy):
    """Two processes return the result of one."""
    with open_pool(2) as pool:
        assert run_programme(Plan("toy", "probe", 0), pool, ignore) == toy


@pytest.mark.usefixtures("few")
def test_leak_is_reduced_to_its_field_and_one_poll():
    """`imei-query` fails in each battery that compares owners, and in three guards."""
    result = run_programme(Plan("imei-query", "probe", 0), Mapper(None), ignore)
    found = {battery.oracle: battery for battery in result.batteries}
    assert {"personal", "grammar", "canaries", "tripwire", "fleet"} <= set(result.failed())
    assert found["personal"].smallest.steps == ("poll",)
    assert found["personal"].smallest.differing_fields == ("imei",)
    assert found["grammar"].smallest.steps == ("poll",)
    finding = found["canaries"].findings[0]
    assert any(owner.imei.encode() in finding.data for owner in result.owners)


@pytest.mark.usefixtures("few")
def test_matrix_of_another_library(tmp_path, monkeypatch):
    """A dict of factories is a library; a client that does not leak survives."""
    (tmp_path / "somebody.py").write_text(
        "from client_sim.lab.clients.toy import ToyClient\n"
        "class Leaky(ToyClient):\n"
        "    def headers(self):\n"
        "        return (*super().headers(), 'X-Mail: ' + self.world.personal.accounts[0].name)\n"
        "CLIENTS = {'mail': Leaky, 'nothing': ToyClient}\n"
        "NUMBER = 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    matrix = run_matrix(
        "probe", 0, Mapper(None), ignore, libraries=("somebody:CLIENTS",), quick=False
    )
    killed = {row.id: row.killed_by for row in matrix.rows}
    assert {"grammar", "personal", "canaries"} <= set(killed["mail"])
    assert killed["nothing"] == ()
    assert [row.not_asked for row in matrix.rows] == [(), ()]
    assert [row.id for row in matrix.survivors] == ["nothing"]
    assert not matrix.is_good
    with pytest.raises(ClientNotFoundError, match="not a library"):
        load_library("somebody:NUMBER")


def test_sample_leaves_out_clients_that_need_crossed_cases(tmp_path, monkeypatch):
    """They take a hundred cases; another client of the family is tried instead."""
    monkeypatch.setattr(execute, "try_mutant", lambda *_: Trial((), frozenset()))
    (tmp_path / "expensive.py").write_text(
        "from dataclasses import replace\n"
        "from client_sim.lab.mutants.library import find_mutant\n"
        "leaky = find_mutant('imei-query')\n"
        "CLIENTS = [\n"
        "    replace(leaky, id=name, only=('crossed',) if name != 'cheap' else ())\n"
        "    for name in ('expensive', 'cheap', 'more-expensive')\n"
        "]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for seed in range(4):
        matrix = run_matrix(
            *("probe", seed, Mapper(None), ignore),
            libraries=("expensive:CLIENTS",),
            quick=True,
            enough=2,
        )
        assert [row.id for row in matrix.rows] == ["cheap"]


def test_release_profile_has_every_battery():
    """Its sizes are those that the documents state."""
    full = PROFILES["full"].sizes
    assert set(full) == set(BATTERIES)
    batteries = make_batteries(plan_testbed(ToyClient, 0), PROFILES["full"])
    runs = {each.oracle: each.size * len(each.make(0).settings) for each in batteries}
    assert runs["personal"] >= 13_809  # what one owner in 1,000 has is missed once in a million
    assert full["determinism"] >= 1000
    assert 7 * full["fleet"] >= 1000 * 8  # phones times public tuples
    assert sum(runs.values()) >= 30_000
