"""A cloud that the tests of a module share; each owner has a name of its own."""

import pytest

from tests.client_sim.cloud.phones import make_phone, new_name, serve, set_up


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Give a running cloud."""
    with serve(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def phone(served, tmp_path):
    """Give a phone with a new account, all types on."""
    made = set_up(make_phone(served, tmp_path / "one"), new_name())
    yield made
    made.cloud.store.close()


@pytest.fixture
def second(served, phone, tmp_path):
    """Give another phone of the same owner."""
    made = set_up(make_phone(served, tmp_path / "two"), phone.cloud.name, is_new=False)
    yield made
    made.cloud.store.close()
