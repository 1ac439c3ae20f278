"""Resets of a root are applied once, before any expiry check, and survive power cuts."""

import hashlib

import pytest

from client_sim.content.kinds import KINDS
from client_sim.content.plan import Record
from client_sim.content.store import Store
from client_sim.device.client import PollingClient
from client_sim.device.errors import ProfileError
from client_sim.device.limits import Reset, load_counter, read_resets
from client_sim.device.records import (
    load_agreed,
    load_failed,
    load_floor,
    raise_floor,
    store_agreed,
    store_failed,
)
from client_sim.device.signed_time import load_clock, raise_clock
from client_sim.device.trust import Trust
from tests.cases import case
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.engine.power_cut import PowerCut

RESET = {"counter": 2, "number": 1, "time": START}
LAST = 2**53 - 1


def publish_resets(repository, resets, **followed):
    """Publish a root with resets, and the roles that follow them with their numbers."""
    repository.signed["root"].unrecognized_fields["custom"]["resets"] = resets
    repository.publish_root()
    for name, number in followed.items():
        custom = {"floor": 0, "schema": 1} if name == "armani" else {"hosts": [], "packs": {}}
        custom |= {"reset": number, "schema": 1}
        repository.signed[name].unrecognized_fields["custom"] = custom
    repository.publish("targets", *followed)


@pytest.fixture
def poisoned(world):
    """Make a phone whose clock and counter were pushed ahead."""
    raise_clock(world.state, START + 3000 * DAY)
    raise_floor(world.state, LAST)
    store_failed(world.state, (1, LAST - 1))
    store_agreed(world.state, LAST)
    return world


def test_reset_lowers_clock_and_counters(repository, poisoned):
    """The poll that brings a reset applies it before anything is judged by the clock.

    It is applied once: later values stay until the next reset.
    """
    assert PollingClient(poisoned).poll().failure is not None
    publish_resets(repository, {"armani": RESET}, armani=1)
    assert PollingClient(poisoned).poll().failure is None
    state = poisoned.state
    assert (load_clock(state), load_floor(state)) == (START, 2)
    assert (load_failed(state), load_agreed(state)) == ((1,), None)
    raise_floor(state, 7)
    raise_clock(state, START + DAY // 2)
    PollingClient(poisoned).poll()
    assert (load_clock(state), load_floor(state)) == (START + DAY // 2, 7)
    publish_resets(repository, {"armani": {**RESET, "counter": 3, "number": 2}}, armani=2)
    PollingClient(poisoned).poll()
    assert (load_clock(state), load_floor(state)) == (START, 3)


def test_a_reset_raises_nothing(repository, world):
    """A phone whose values are lower keeps them."""
    raise_floor(world.state, 1)
    publish_resets(repository, {"armani": {**RESET, "counter": 9}}, armani=1)
    PollingClient(world).poll()
    assert (load_clock(world.state), load_floor(world.state)) == (0, 1)


def test_reset_of_another_model_is_ignored(repository, poisoned):
    """It may be healed by the next root only."""
    publish_resets(repository, {"cancro": RESET})
    assert PollingClient(poisoned).poll().failure is not None
    assert load_floor(poisoned.state) == LAST


def test_reset_after_a_power_cut(repository):
    """After a power cut at any change of the state the next poll completes the reset."""
    publish_resets(repository, {"armani": RESET}, armani=1)
    for step in range(1, 40):
        world = FakeWorld(repository)
        raise_clock(world.state, START + 3000 * DAY)
        raise_floor(world.state, LAST)
        world.state.left = step
        try:
            PollingClient(world).poll()
        except PowerCut:
            world.state.left = None
            assert PollingClient(world).poll().failure is None
            assert (load_clock(world.state), load_floor(world.state)) == (START, 2)
        else:
            break
    assert step > 6


def test_reset_in_a_stored_root(repository, poisoned):
    """Updated software applies the reset of a root that the phone already stored."""
    publish_resets(repository, {"armani": RESET}, armani=1)
    poisoned.state["role.root"] = repository.files["/metadata/2.root.json"]
    assert PollingClient(poisoned).poll().failure is None
    assert load_floor(poisoned.state) == 2


def test_reset_in_the_root_of_an_image(repository, poisoned):
    """An image with the root applies the reset to old state; a new phone only remembers it."""
    publish_resets(repository, {"armani": RESET}, armani=1)
    root, new = repository.files["/metadata/2.root.json"], {}
    for state in (poisoned.state, new):
        Trust(root, state, now=START, built_at=0, codename="armani")
    assert (load_clock(poisoned.state), load_floor(poisoned.state)) == (START, 2)
    assert new == {"reset": b"1 2 %d" % START}


def test_counter_of_a_build_from_before_a_reset():
    """A build made before the reset has at most the reset's counter, a later one its own."""
    for counter, made, counts in (
        (LAST, START, 2),
        (LAST, START - DAY, 2),
        (1, START, 1),
        (9, START + 1, 9),
    ):
        with case(counter, made, counts):
            assert load_counter({}, counter, made) == counter
            assert load_counter({"reset": b"1 2 %d" % START}, counter, made) == counts
            assert load_counter({"reset": b"damaged"}, counter, made) == counter


def test_a_reset_of_content_forgets_its_packs(repository, world):
    """A reset of content removes its packs and keeps those of tables."""
    store = Store(world.state)
    part = hashlib.sha256(b"part").hexdigest()
    store.save_part(part, b"part")
    for name in ("notices", "apn"):
        store.save(KINDS[name].role, {KINDS[name]: Record(fetched=frozenset({part}))}, seen=1)
    publish_resets(repository, {"content": {"number": 1}}, content=1)
    PollingClient(world).poll()
    assert store.load(KINDS["notices"]) == Record()
    assert store.load(KINDS["apn"]).fetched
    assert world.state["reset.content"] == b"1"


def test_role_that_does_not_follow_a_reset(repository, world):
    """Content without the reset's number is refused, with a warning."""
    publish_resets(repository, {"content": {"number": 1}})
    outcome = PollingClient(world).poll()
    assert outcome.failure is None
    assert "does not follow reset 1" in " ".join(outcome.warnings)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_root_that_does_not_continue_resets_is_refused(repository, world, number):
    """The first reset is 1, and reset 1 is followed by 1 or 2."""
    if number == 2:
        publish_resets(repository, {"armani": {**RESET, "number": 2}}, armani=2)
    else:
        publish_resets(repository, {"armani": RESET}, armani=1)
        resets = {"armani": {**RESET, "number": number}} if number else {}
        publish_resets(repository, resets, armani=number)
    assert isinstance(PollingClient(world).poll().failure, ProfileError)


MALFORMED = [
    *([], {"armani": 1}, {"armani": {"number": 1}}, {"armani": {**RESET, "number": 0}}),
    *({"armani": {**RESET, "time": -1}}, {"tables": RESET}, {"latest": {"number": 1}}),
    {"tables": {"number": 1, "counter": None}},
]


def test_resets_are_read(repository):
    """Resets of models have a counter and a time, those of content only a number."""
    root = repository.signed["root"]
    root.unrecognized_fields["custom"]["resets"] = {"armani": RESET, "tables": {"number": 4}}
    assert read_resets(root) == {"armani": Reset(1, 2, START), "tables": Reset(4)}
    for resets in MALFORMED:
        root.unrecognized_fields["custom"]["resets"] = resets
        with case(resets), pytest.raises(ProfileError):
            read_resets(root)
