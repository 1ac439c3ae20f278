"""A cloud that the tests of a module share; each owner has a different name."""

import pytest

from client_sim.cloud.store import Store
from tests.client_sim.cloud.phones import make_phone, new_name, serve, set_up


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch):
    """Close the stores that phones open, as a command does at its end."""
    opened, begin = [], Store.__init__

    def begin_and_keep(store, *words):
        begin(store, *words)
        opened.append(store)

    monkeypatch.setattr(Store, "__init__", begin_and_keep)
    yield
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Yield a running cloud."""
    with serve(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def phone(served, tmp_path):
    """Return a phone with a new account and all types on."""
    return set_up(make_phone(served, tmp_path / "one"), new_name())


@pytest.fixture
def second(served, phone, tmp_path):
    """Return another phone of the same owner."""
    return set_up(make_phone(served, tmp_path / "two"), phone.cloud.name, is_new=False)
