"""What a life records, and that it depends on its seed alone."""

from collections import Counter

from client_sim.lab.cloud.lives import Life, live, make_owner, steps
from client_sim.lab.cloud.phone import OurPhone, Step
from client_sim.lab.trace.observation import Channel


def test_the_same_seed_is_the_same_life(contacts):
    """To the byte and the second; another seed is another one."""
    again = live(OurPhone, contacts.life)
    assert again.observation == contacts.observation
    other = live(OurPhone, Life(contacts.life.owner, contacts.life.steps, b"two"))
    assert other.observation != contacts.observation


def test_every_step_does_what_it_says(contacts, everything):
    """Nothing crashes; only a synchronising of nothing is refused.

    Steps are read as name, types and device. The second device gets what the first one sent.
    """
    for seen in (contacts, everything):
        assert seen.crashed == {}
        assert {seen.step_of(phase).name for phase in seen.refused} == {"sync"}
        assert all(not seen.on[phase] for phase in seen.refused)
    assert everything.records["note"] == sorted(set(everything.records["note"]))
    assert len(everything.records["contact"]) == 3
    assert steps("sync on:contact,note@1") == (
        Step("sync"),
        Step("on", "contact", 1),
        Step("on", "note", 1),
    )
    first = live(OurPhone, Life(everything.life.owner, steps("own:contact,note,message,photo")))
    assert len(everything.records["photo"]) == len(first.records["photo"]) + 1


def test_argon2_runs_once_per_login_and_never_in_a_synchronising(contacts, everything):
    """What takes most of a second is done where the owner types the password, and nowhere else."""
    for seen in (contacts, everything):
        counts = Counter(seen.step_of(phase).name for phase, _ in seen.derived)
        logins = Counter(seen.step_of(phase).name for phase in seen.phases)
        for name in ("sign-up", "log-in", "words", "rotate"):
            assert counts.pop(name, 0) == logins[name]
        assert counts.pop("password", 0) == 2 * logins["password"]  # the old one and the new one
        assert counts == {}


def test_a_restart_keeps_and_a_reset_forgets():
    """As on a phone."""
    own = "own:contact sign-up consent words on:contact sync"
    kept = live(OurPhone, Life(make_owner("a"), steps(f"{own} restart due")))
    assert kept.records["contact"]
    assert [e for e in kept.left(Channel.BYTES) if e.phase.endswith("due")]
    gone = live(OurPhone, Life(make_owner("a"), steps(f"{own} reset due")))
    assert gone.records["contact"] == []
    assert not [e for e in gone.left(Channel.BYTES) if e.phase.endswith("due")]
