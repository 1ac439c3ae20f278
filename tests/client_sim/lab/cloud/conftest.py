"""Lives of hening's own phone, made once."""

from functools import cache

import pytest

from client_sim.cloud import recovery
from client_sim.lab.cloud import opening
from client_sim.lab.cloud.lives import CONTACTS, EVERYTHING, Life, live, make_owner
from client_sim.lab.cloud.phone import OurPhone


@pytest.fixture(scope="session", autouse=True)
def _read_word_list_once():
    """Cache the list of recovery words, which each phone reads three times."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (opening, recovery):
            patch.setattr(module, "Mnemonic", cache(module.Mnemonic))
        yield


@pytest.fixture(scope="session")
def contacts():
    """Run a life in which contacts are on, off and on again, until the account is erased."""
    return live(OurPhone, Life(make_owner("a"), CONTACTS))


@pytest.fixture(scope="session")
def everything():
    """Run a life in which all types are on, on two phones."""
    return live(OurPhone, Life(make_owner("a"), EVERYTHING))
