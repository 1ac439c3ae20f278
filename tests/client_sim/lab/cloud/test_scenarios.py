"""Runs of phones with a backup, and what they record."""

from collections import Counter

from client_sim.lab.cloud.phone import OurPhone, Step
from client_sim.lab.cloud.scenarios import CloudScenario, make_owner, run_scenario, steps
from client_sim.lab.trace.observation import Channel


def test_run_is_determined_by_its_seed(contacts):
    """Bytes and times are equal with the same seed, and different with another one."""
    again = run_scenario(OurPhone, contacts.scenario)
    assert again.observation == contacts.observation
    other = run_scenario(
        OurPhone, CloudScenario(contacts.scenario.owner, contacts.scenario.steps, b"two")
    )
    assert other.observation != contacts.observation


def test_steps_are_executed(contacts, everything):
    """No step crashes, and only a sync without types is refused."""
    for run in (contacts, everything):
        assert run.crashed == {}
        assert {run.step_of(phase).name for phase in run.refused} == {"sync"}
        assert all(not run.on[phase] for phase in run.refused)


def test_second_device_gets_the_records_of_the_first(everything):
    """Each record once; there is one photo more than the owner had at first."""
    assert everything.records["note"] == sorted(set(everything.records["note"]))
    assert len(everything.records["contact"]) == 3
    first = run_scenario(
        OurPhone, CloudScenario(everything.scenario.owner, steps("own:contact,note,message,photo"))
    )
    assert len(everything.records["photo"]) == len(first.records["photo"]) + 1


def test_steps_have_a_name_a_type_and_a_device():
    """Types in one word become steps of their own."""
    assert steps("sync on:contact,note@1") == (
        Step("sync"),
        Step("on", "contact", 1),
        Step("on", "note", 1),
    )


def test_argon2_runs_once_per_login(contacts, everything):
    """Only where the owner types a password, because it takes most of a second."""
    for run in (contacts, everything):
        counts = Counter(run.step_of(phase).name for phase, _ in run.derived)
        logins = Counter(run.step_of(phase).name for phase in run.phases)
        for name in ("sign-up", "log-in", "words", "rotate"):
            assert counts.pop(name, 0) == logins[name]
        assert counts.pop("password", 0) == 2 * logins["password"]  # the old one and the new one
        assert counts == {}


def test_restart_keeps_records_and_reset_deletes_them():
    """After a reset nothing is sent any more."""
    own = "own:contact sign-up consent words on:contact sync"
    kept = run_scenario(OurPhone, CloudScenario(make_owner("a"), steps(f"{own} restart due")))
    assert kept.records["contact"]
    assert [e for e in kept.departures(Channel.BYTES) if e.phase.endswith("due")]
    gone = run_scenario(OurPhone, CloudScenario(make_owner("a"), steps(f"{own} reset due")))
    assert gone.records["contact"] == []
    assert not [e for e in gone.departures(Channel.BYTES) if e.phase.endswith("due")]
