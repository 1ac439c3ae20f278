"""Each lie meets our phone, and the judges would see a phone that takes it."""

import pytest

from client_sim.lab.cloud.lies import LIES, examine_lies
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.programme import load_client


def test_our_phone_takes_no_lie():
    """It refuses, or tells its owner."""
    assert list(examine_lies(OurPhone, LIES)) == []


@pytest.mark.parametrize(
    ("client", "lie", "methods"),
    [
        ("rollback-taken", "rollback", {"kept", "answered"}),
        ("weaker-keys-taken", "weaker keys", {"answered", "salts"}),
        ("other-text", "another text", {"told", "answered"}),
    ],
)
def test_a_phone_that_takes_a_lie_is_found(client, lie, methods):
    """It keeps it, goes on, or says nothing."""
    lies = tuple(each for each in LIES if each.id == lie)
    found = {method for method, _ in examine_lies(load_client(client), lies)}
    assert found == methods
