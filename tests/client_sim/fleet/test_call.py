"""A fleet's downloads block by block, and polls of two requests at a time."""

import hashlib
from array import array
from dataclasses import replace

import pytest

from client_sim.device.choose import Offer
from client_sim.fleet.answers import Head
from client_sim.fleet.call import SIZE, Call, Load
from client_sim.fleet.tally import Failure
from client_sim.fleet.timer_wheel import _EMPTY
from client_sim.transport import BLOCK
from tests.client_sim.fleet.conftest import LONGEST, PLAIN, live, settle

PACKAGE = bytes(range(251)) * 40_000  # 10,040,000 bytes: two blocks


def make_offer(package=PACKAGE):
    """Offer a package as a pointer does."""
    digest = hashlib.sha256(package).hexdigest()
    path = "armani/id/stable/a.zip"
    return Offer(path, len(package), digest, "full", 2, 1, "2026-01-05", 0, (), 2)


def test_blocks_are_asked_for_in_order_and_hashed():
    """A package of two blocks is requested in two aligned ranges."""
    load, data = Load(make_offer()), []
    while not load.is_complete:
        data.append(load.request("h"))
        first = load.first
        load.add(PACKAGE[first : first + BLOCK])
        assert not load.left
    assert load.is_valid()
    ranges = [line.split(b"Range: bytes=")[1].split(b"\r\n")[0] for line in data]
    assert ranges == [b"0-8388607", b"8388608-10039999"]


def test_incomplete_block_is_fetched_again():
    """A block counts only when it is complete (FORMATS section 9)."""
    load = Load(make_offer())
    load.request("h")
    load.add(b"\xff" * 1000)
    assert load.left == BLOCK - 1000
    load.request("h")
    assert not load.begin(Head(206, BLOCK, content_range=b"bytes 0-8388607/10040000"))
    load.add(PACKAGE[:BLOCK])
    load.request("h")
    load.add(PACKAGE[BLOCK:])
    assert load.is_valid()


def test_more_bytes_than_the_block_has_are_an_error():
    """A server must not send more than the requested range."""
    load = Load(make_offer(b"abc"))
    load.request("h")
    with pytest.raises(ValueError, match="more bytes than the block has"):
        load.add(b"abcd")


POLL = b"GET /metadata/2.root.json"
NEXT = b"GET /metadata/timestamp.json"
PHONES = 16


@pytest.fixture
def make(served):
    """Return a function that makes drivers, whose connections are closed before the server ends."""
    drivers = []

    def make_driver(count, **behaviour):
        drivers.append(served.make_driver(count, PLAIN, **behaviour))
        return drivers[-1]

    yield make_driver
    for driver in drivers:
        settle(driver)
        driver.exchanges.close_idle()


def watch(driver):
    """Return a list to which the bytes of all further requests are appended."""
    seen = []
    ask, join = driver.exchanges.send, driver.exchanges.join

    def note(call, node):
        if isinstance(call, Call):
            seen.append(node.data)
        ask(call, node)

    def note_pair(call, pair):
        joined = join(call, pair)
        if joined:
            seen.append(pair.line.data)
        return joined

    driver.exchanges.send = note
    driver.exchanges.join = note_pair
    return seen


def is_pair(data):
    """Tell whether these are the two requests of a poll together."""
    asked = data.split(b"\r\n\r\n")
    return len(asked) == 3 and asked[0].startswith(POLL) and asked[1].startswith(NEXT)


@pytest.mark.parametrize("keep", [True, False])
def test_only_kept_connections_send_pairs(served, make, keep):
    """The server sees the same requests, and both requests of a pair are counted."""
    driver = make(30, keep=keep, connections=4)
    live(driver, LONGEST)
    before = driver.tally.polls
    seen = watch(driver)
    live(driver, LONGEST, LONGEST)
    tally = driver.snapshot()
    assert tally.polls > before
    assert not tally.failures
    assert {is_pair(data) for data in seen} == {keep}
    received = b"".join(served.server.received)
    # The real code polled twice on its own connections: for new phones, and for these.
    assert tally.requests == received.count(b"GET ") - 10 - 2
    counts = {line.data.split(b" ")[1]: line for line in driver.lines.counts()}
    assert counts[b"/metadata/2.root.json"].phones == 30
    assert counts[b"/metadata/timestamp.json"].sent == tally.polls


def test_requests_after_a_pair(served, make):
    """A new timestamp leads to further requests, one after the other.

    After a new root the timestamp is requested again, as the first one was too early.
    """
    driver = make(5, keep=True)
    live(driver, LONGEST)
    seen = watch(driver)
    served.repository.offer()
    live(driver, LONGEST, LONGEST)
    assert is_pair(seen[0])
    assert driver.tally.switched == 5
    seen.clear()
    served.repository.publish_root()
    served.repository.refresh()
    live(driver, LONGEST, 2 * LONGEST)
    assert is_pair(seen[0])
    assert not driver.tally.failures
    paths = {line.data.split(b" ")[1]: line.phones for line in driver.lines.counts()}
    assert paths[b"/metadata/3.root.json"] == 5


@pytest.fixture
def driver(served):
    """Make phones that have polled once and are due at the same tick, with one connection."""
    made = served.make_driver(PHONES, PLAIN, keep=True, connections=1)
    live(made, LONGEST)
    gather(made)
    yield made
    settle(made)
    made.exchanges.close_idle()


def gather(driver, phones=PHONES):
    """Make `phones` due at one tick, and no others."""
    driver.due = getattr(driver, "due", LONGEST * 4) + 4
    wheel = driver.schedule
    wheel._first[:] = array("I", [_EMPTY]) * wheel._slots
    for phone in range(phones):
        wheel.put(phone, driver.due)


def poll(driver):
    """Let all phones poll once."""
    driver.advance(driver.due)
    settle(driver)


def watch_sizes(driver):
    """Return a list to which the number of polls of each further packet is appended."""
    sizes = []
    note = driver.stopwatch.note

    def watch(seconds, times=1):
        sizes.append(times)
        note(seconds, times)

    driver.stopwatch.note = watch
    return sizes


def test_polls_are_sent_in_packets_of_eight(driver):
    """Each poll has two requests, and no further connection is opened."""
    sizes = watch_sizes(driver)
    before = replace(driver.snapshot())
    poll(driver)
    assert sizes == [SIZE] * 2
    assert driver.tally.polls - before.polls == PHONES
    assert driver.snapshot().requests - before.requests == 2 * PHONES
    assert driver.tally.connections == before.connections == 1
    assert not driver.tally.failures


def test_further_requests_wait_for_a_connection(served, driver):
    """After a new timestamp all phones have more requests, one phone at a time."""
    served.repository.offer()
    seen = []
    ask = driver.exchanges.send

    def watch(call, node):
        ask(call, node)
        seen.append(len(driver.exchanges._open))

    driver.exchanges.send = watch
    poll(driver)
    assert max(seen) == 1
    assert driver.tally.switched == PHONES
    assert not driver.tally.failures


def test_a_forged_answer_among_good_ones_is_refused(served, driver):
    """The other answers of its packet are accepted."""
    answer_well, files = served.repository.answer, served.repository.files
    path, count = "/metadata/timestamp.json", 0
    good = files[path]

    def answer(head):
        nonlocal count
        count += b"timestamp" in head
        files[path] = good.replace(b'"version":1', b'"version":9') if count == 3 else good
        return answer_well(head)

    # The real code also polls, on its own connection, to judge the forged answer.
    served.repository.answer = answer
    polls = driver.tally.polls
    poll(driver)
    assert driver.tally.polls - polls == PHONES - 1
    assert driver.tally.failures == {Failure.UNKNOWN: 1}


def test_closed_connection_fails_all_polls_of_a_packet(served, driver):
    """The failure says how many bytes had arrived."""
    good = served.repository.answer
    count = 0

    def answer(head):
        nonlocal count
        count += 1
        return b"" if count == 4 else good(head)

    served.repository.answer = answer
    poll(driver)
    assert driver.tally.failures == {Failure.BROKEN: SIZE}
    details = {fault.detail for fault in driver.tally.mishaps}
    assert len(details) == 1
    assert details.pop().startswith("after ")
