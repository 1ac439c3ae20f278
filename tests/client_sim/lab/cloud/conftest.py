"""Lives of our own phone, made once; tests look at them, and change copies."""

from functools import cache

import pytest

from client_sim.cloud import recovery
from client_sim.lab.cloud import opening
from client_sim.lab.cloud.lives import CONTACTS, EVERYTHING, Life, live, make_owner
from client_sim.lab.cloud.phone import OurPhone


@pytest.fixture(scope="session", autouse=True)
def _the_list_of_words_is_read_once():
    """Keep it: each phone that makes words reads it three times."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (opening, recovery):
            patch.setattr(module, "Mnemonic", cache(module.Mnemonic))
        yield


@pytest.fixture(scope="session")
def contacts():
    """Contacts are on, off and on again, until the account is erased."""
    return live(OurPhone, Life(make_owner("a"), CONTACTS))


@pytest.fixture(scope="session")
def everything():
    """All types are on, on two phones."""
    return live(OurPhone, Life(make_owner("a"), EVERYTHING))
