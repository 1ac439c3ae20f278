"""Runs of hening's own phone, made once."""

from functools import cache

import pytest

from client_sim.cloud import recovery
from client_sim.lab.cloud import explanation
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.scenarios import (
    CONTACTS,
    EVERYTHING,
    CloudScenario,
    make_owner,
    run_scenario,
)


@pytest.fixture(scope="session", autouse=True)
def _read_word_list_once():
    """Cache the list of recovery words, which each phone reads three times."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (explanation, recovery):
            patch.setattr(module, "Mnemonic", cache(module.Mnemonic))
        yield


@pytest.fixture(scope="session")
def contacts():
    """Run a scenario in which contacts are on, off and on again, until the account is erased."""
    return run_scenario(OurPhone, CloudScenario(make_owner("a"), CONTACTS))


@pytest.fixture(scope="session")
def everything():
    """Run a scenario in which all types are on, on two phones."""
    return run_scenario(OurPhone, CloudScenario(make_owner("a"), EVERYTHING))
