"""Polls that leave in one packet: as many as there may be, each verified, each counted."""

from dataclasses import replace

import pytest

from client_sim.fleet import exchange
from client_sim.fleet.batches import SIZE
from client_sim.fleet.tally import Failure
from tests.client_sim.fleet.conftest import LONGEST, PLAIN, live, settle
from tests.client_sim.fleet.relay import relay

PHONES = 16


@pytest.fixture
def driver(town):
    """Phones that have polled once and are due at the same tick; one connection."""
    made = town.make_driver(PHONES, PLAIN, keep=True, connections=1)
    live(made, LONGEST)
    gather(made)
    yield made
    settle(made)
    made.exchanges.close_idle()


def gather(driver, phones=PHONES):
    """Let so many phones be due at one tick, and no other."""
    driver.due = getattr(driver, "due", LONGEST * 4) + 4
    for tick in range(driver.due - 4 - LONGEST * 4, driver.due - 4 + LONGEST * 8):
        for _ in driver._appointments.take(tick):
            pass
    for phone in range(phones):
        driver.put(phone, driver.due)


def poll(driver):
    """Let all phones poll once."""
    driver.advance(driver.due)
    settle(driver)


def watch_sizes(driver):
    """Return the list of how many polls are answered together from now on."""
    sizes = []
    note = driver.exchanges.stopwatch.note

    def watch(seconds, times=1):
        sizes.append(times)
        note(seconds, times)

    driver.exchanges.stopwatch.note = watch
    return sizes


def test_polls_that_are_due_together_leave_in_packets_of_eight(driver):
    """Each of them is a poll, with two requests, and over no more connections than before."""
    sizes = watch_sizes(driver)
    before = replace(driver.snapshot())
    poll(driver)
    assert sizes == [SIZE] * 2
    assert driver.tally.polls - before.polls == PHONES
    assert driver.snapshot().requests - before.requests == 2 * PHONES
    assert driver.tally.connections == before.connections == 1
    assert not driver.tally.failures


def test_polls_that_go_on_wait_for_a_connection(town, driver):
    """Behind a new timestamp all phones ask for more, one at a time."""
    town.repository.offer()
    seen = []
    ask = driver.exchanges.ask

    def watch(call, line):
        ask(call, line)
        seen.append(len(driver.exchanges._calls) + len(driver.exchanges.batches))

    driver.exchanges.ask = watch
    poll(driver)
    assert max(seen) == 1
    assert driver.tally.switched == PHONES
    assert not driver.tally.failures


def test_a_forged_answer_among_good_ones_is_refused(town, driver):
    """The others of its packet are believed."""
    answer_well, files = town.repository.answer, town.repository.files
    path, count = "/metadata/timestamp.json", 0
    good = files[path]

    def answer(head):
        nonlocal count
        count += b"timestamp" in head
        files[path] = good.replace(b'"version":1', b'"version":9') if count == 3 else good
        return answer_well(head)

    # The real code asks as well, on its own connection, when it has to look at the forged one.
    town.repository.answer = answer
    polls = driver.tally.polls
    poll(driver)
    assert driver.tally.polls - polls == PHONES - 1
    assert driver.tally.failures == {Failure.UNKNOWN: 1}


def test_answers_in_pieces_are_put_together(town):
    """Cut anywhere, the last ones again and new ones alike."""

    def cut(data):
        return [data[at : at + 301] for at in range(0, len(data), 301)]

    with relay(town.server.port, cut) as port:
        town.target = replace(town.target, port=port)
        driver = town.make_driver(PHONES, PLAIN, keep=True, connections=1)
        live(driver, LONGEST)
        gather(driver)
        sizes = watch_sizes(driver)
        poll(driver)
        town.repository.refresh()
        gather(driver)
        poll(driver)
        driver.exchanges.close_idle()
    assert sizes[:2] == [SIZE] * 2
    assert driver.tally.polls > 2 * PHONES
    assert not driver.tally.failures


def test_a_server_that_hangs_up_fails_all_polls_of_the_packet(town, driver):
    """How much had come is said."""
    good = town.repository.answer
    count = 0

    def answer(head):
        nonlocal count
        count += 1
        return b"" if count == 4 else good(head)

    town.repository.answer = answer
    poll(driver)
    assert driver.tally.failures == {Failure.BROKEN: SIZE}
    details = {fault.detail for fault in driver.tally.mishaps}
    assert len(details) == 1
    assert details.pop().startswith("behind ")


def test_no_answer_in_time_is_given_up(town, driver, monkeypatch):
    """All polls of the packet at once; how much had come is said."""
    monkeypatch.setattr(exchange, "PATIENCE", 0.2)
    good = town.repository.answer
    town.repository.answer = lambda head: good(head)[:9]
    gather(driver, SIZE)
    driver.exchanges._impatient_at = 0.0
    driver.advance(driver.due)
    while driver.exchanges.under_way:
        driver.exchanges.look(0.05)
    assert driver.tally.failures == {Failure.SLOW: SIZE}
    assert {fault.detail for fault in driver.tally.mishaps} == {"144 bytes of the answers came"}
