"""Kept connections: the two questions of an idle poll in one, and nothing else changed."""

import pytest

from client_sim.fleet.tally import Failure
from tests.client_sim.fleet.conftest import LONGEST, PLAIN, live, settle

POLL = b"GET /metadata/2.root.json"
NEXT = b"GET /metadata/timestamp.json"


@pytest.fixture
def make(town):
    """Make drivers whose connections are closed before the server ends."""
    drivers = []

    def make_driver(count, **behaviour):
        drivers.append(town.make_driver(count, PLAIN, **behaviour))
        return drivers[-1]

    yield make_driver
    for driver in drivers:
        settle(driver)
        driver.exchanges.close_idle()


def watch(driver):
    """Return the list of what is asked from now on, each as its bytes."""
    seen = []
    ask, join = driver.exchanges.ask, driver.exchanges.batches.join

    def note(call, line):
        seen.append(line.data)
        ask(call, line)

    def note_pair(call, pair):
        joined = join(call, pair)
        if joined:
            seen.append(pair.line.data)
        return joined

    driver.exchanges.ask = note
    driver.exchanges.batches.join = note_pair
    return seen


def is_pair(data):
    """Tell whether these are the two questions, one behind the other."""
    asked = data.split(b"\r\n\r\n")
    return len(asked) == 3 and asked[0].startswith(POLL) and asked[1].startswith(NEXT)


@pytest.mark.parametrize("keep", [True, False])
def test_only_kept_connections_carry_both_questions_at_once(town, make, keep):
    """Once the way is known; the server sees the same requests, and both are counted."""
    driver = make(30, keep=keep, connections=4)
    live(driver, LONGEST)
    before = driver.tally.polls
    seen = watch(driver)
    live(driver, LONGEST, LONGEST)
    tally = driver.snapshot()
    assert tally.polls > before
    assert not tally.failures
    assert {is_pair(data) for data in seen} == {keep}
    received = b"".join(town.server.received)
    # The real code has polled twice on connections of its own: for new phones, and for these.
    assert tally.requests == received.count(b"GET ") - 10 - 2
    counts = {line.data.split(b" ")[1]: line for line in driver.lines.counts()}
    assert counts[b"/metadata/2.root.json"].phones == 30
    assert counts[b"/metadata/timestamp.json"].sent == tally.polls


def test_an_answer_in_a_pair_needs_a_known_hash(town, make):
    """A forged timestamp behind a good 404 is refused, and the phones recover."""
    driver = make(5, keep=True)
    live(driver, LONGEST)
    good = town.repository.files["/metadata/timestamp.json"]
    seen = watch(driver)
    town.repository.files["/metadata/timestamp.json"] = good.replace(b'"version":1', b'"version":9')
    polls = driver.tally.polls
    live(driver, LONGEST, LONGEST)
    assert any(map(is_pair, seen))
    assert driver.tally.polls == polls
    assert driver.tally.failures.keys() == {Failure.TRUST}
    town.repository.files["/metadata/timestamp.json"] = good
    live(driver, LONGEST, 2 * LONGEST)
    assert driver.tally.polls >= polls + 5


def test_a_new_root_makes_the_poll_begin_again(town, make):
    """The timestamp was asked for too early then: it is asked once more, behind the root."""
    driver = make(5, keep=True)
    live(driver, LONGEST)
    seen = watch(driver)
    town.repository.publish_root()
    town.repository.refresh()
    live(driver, LONGEST, LONGEST)
    assert is_pair(seen[0])
    assert not driver.tally.failures
    paths = {line.data.split(b" ")[1]: line.phones for line in driver.lines.counts()}
    assert paths[b"/metadata/3.root.json"] == 5


def test_a_changed_poll_goes_on_behind_the_pair(town, make):
    """A new timestamp leads to the snapshot and what follows, asked one after the other."""
    driver = make(5, keep=True)
    live(driver, LONGEST)
    seen = watch(driver)
    town.repository.offer()
    live(driver, LONGEST, LONGEST)
    assert is_pair(seen[0])
    assert not driver.tally.failures
    assert driver.tally.switched == 5


def test_bytes_behind_the_second_answer_end_the_poll(town, make):
    """Two questions have two answers."""
    driver = make(3, keep=True)
    live(driver, LONGEST)
    polls = driver.tally.polls
    answer = town.repository.answer
    town.repository.answer = lambda head: answer(head) + b"x" * (b"timestamp" in head)
    live(driver, LONGEST, LONGEST)
    assert driver.tally.failures.keys() == {Failure.HTTP}
    assert driver.tally.polls == polls
