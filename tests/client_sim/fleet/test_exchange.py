"""Answers that come in pieces, too long, or not at all."""

from dataclasses import replace

import pytest

from client_sim.fleet import exchange
from client_sim.fleet.tally import Failure
from tests.client_sim.fleet.conftest import live
from tests.client_sim.fleet.relay import relay


def test_answers_in_pieces_are_put_together(town):
    """Heads and bodies cut anywhere: every phone installs as from whole ones."""
    town.repository.offer()

    def cut(data):
        return [data[at : at + 97] for at in range(0, len(data), 97)]

    with relay(town.server.port, cut) as port:
        town.target = replace(town.target, port=port)
        driver = town.make_driver(3)
        live(driver, 1)
    assert not driver.tally.failures
    assert driver.tally.switched == driver.tally.fetched == 3


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "a head is too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "a body of 999999999 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "more bytes than the answers have"),
    ],
)
def test_an_answer_that_is_too_long_ends_the_poll(town, answer, detail):
    """For phones that know the way; the sentence says what was wrong."""
    driver = town.make_driver(2)
    learn = driver.school.learn_poll

    def learn_then_lie(*given):
        why = learn(*given)
        town.repository.overrides["/metadata/timestamp.json"] = answer
        return why

    driver.school.learn_poll = learn_then_lie
    live(driver, 1)
    assert driver.tally.failures == {Failure.HTTP: 2}
    assert {fault.detail for fault in driver.tally.mishaps} == {detail}


def test_no_answer_in_time_is_given_up(town, monkeypatch):
    """The phone polls again at its next time; how much had come is said."""
    monkeypatch.setattr(exchange, "PATIENCE", 0.2)
    driver = town.make_driver(1)
    learn = driver.school.learn_poll

    def learn_then_stall(*given):
        why = learn(*given)
        town.repository.overrides["/metadata/timestamp.json"] = b"HTTP/1.1 "
        return why

    driver.school.learn_poll = learn_then_stall
    driver.exchanges._impatient_at = 0.0
    driver.advance(0)
    while driver.exchanges.under_way:
        driver.exchanges.look(0.05)
    assert driver.tally.failures == {Failure.SLOW: 1}
    (fault,) = driver.tally.mishaps
    assert fault.detail == "9 bytes of the answer came"
    assert fault.request == "GET /metadata/timestamp.json"
