"""A failure tells its cause."""

from client_sim.fleet.errors import MISHAPS, Fault, first_line
from client_sim.fleet.tally import Failure, Tally
from tests.client_sim.device.repository_simulator import response
from tests.client_sim.fleet.conftest import live


def test_a_mishap_is_a_sentence():
    """When, who, after what, why; what is not known is left out."""
    full = Fault("no answer in time", 1.5, "a/b/c", "GET /x", "0 bytes of the answer came")
    assert full.tell() == (
        "hour 1.50, a/b/c after GET /x: no answer in time: 0 bytes of the answer came."
    )
    assert Fault("no connection", 0.0, "a/b/c", "", "").tell() == (
        "hour 0.00, a/b/c: no connection."
    )


def test_a_request_is_told_without_its_headers_but_with_its_range():
    """Which block of a package it was."""
    assert first_line(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n") == "GET /a"
    data = b"GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-6\r\n\r\n"
    assert first_line(data) == "GET /a  bytes=0-6"


def test_the_first_failures_of_the_server_are_kept(town):
    """With the real code's own sentence; a phone's bad clock is none, and the list has an end."""
    driver = town.make_driver(MISHAPS + 5)
    driver.phones.skew[0] = 2 * 86_400
    live(driver, 1)
    assert not driver.tally.mishaps
    path = "/metadata/timestamp.json"
    town.repository.overrides[path] = response(b"503 Service Unavailable", b"")
    driver = town.make_driver(MISHAPS + 5)
    live(driver, 1)
    assert len(driver.tally.mishaps) == MISHAPS
    fault = driver.tally.mishaps[0]
    assert (fault.why, fault.group) == (Failure.HTTP.value, "armani/id/stable")
    assert "503" in fault.detail
    both = Tally()
    both.merge(driver.tally)
    both.merge(driver.tally)
    assert len(both.mishaps) == MISHAPS
