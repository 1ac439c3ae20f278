"""Lives of our own phone, made once; tests look at them, and change copies."""

import pytest

from client_sim.lab.cloud.lives import CONTACTS, EVERYTHING, Life, live, make_owner
from client_sim.lab.cloud.phone import OurPhone


@pytest.fixture(scope="session")
def contacts():
    """Contacts are on, off and on again, until the account is erased."""
    return live(OurPhone, Life(make_owner("a"), CONTACTS))


@pytest.fixture(scope="session")
def everything():
    """All types are on, on two phones."""
    return live(OurPhone, Life(make_owner("a"), EVERYTHING))
