"""An honest server has nothing of its owners, and each leaky one is found."""

from client_sim.lab.cloud.blind import try_server
from client_sim.lab.cloud.double import FLAWS
from tests.cases import case


def test_an_honest_server_is_blind():
    """No check raises an alarm."""
    assert try_server("").killed_by == ()


def test_each_leaky_server_is_found():
    """By what it keeps, says, or does not do."""
    for flaw in FLAWS:
        with case(flaw):
            assert try_server(flaw).killed_by
