"""A client that is born anew has nothing of what its module kept or drew before."""

import sys

from client_sim.device.client import PollingClient
from client_sim.lab.clients.anew import born_anew
from client_sim.lab.clients.loading import load_client

MODULE = """
import os

ID = os.urandom(16)

class Client:
    kept = []

    @staticmethod
    def make(world):
        Client.kept.append(world)
        return ID, len(Client.kept)

def make(world):
    return world

here = lambda world: world
"""


def test_what_a_module_drew_and_kept_is_drawn_and_kept_again(tmp_path, monkeypatch):
    """Each time; and the module that others have imported stays as it is."""
    (tmp_path / "keeper_of_its_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    factory = load_client("keeper_of_its_own:Client").make
    module = sys.modules["keeper_of_its_own"]
    assert [factory(None), factory(None)] == [(module.ID, 1), (module.ID, 2)]
    one, other = born_anew(factory)(None), born_anew(factory)(None)
    assert (one[1], other[1]) == (1, 1)
    assert len({one[0], other[0], module.ID}) == 3
    assert sys.modules["keeper_of_its_own"] is module


def test_who_has_no_name_in_a_module_stays_as_it_is(tmp_path, monkeypatch):
    """Such as a function that another function made; the clean client is found by its name."""
    (tmp_path / "nameless_keeper.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    nameless = load_client("nameless_keeper:here")
    assert born_anew(nameless) is nameless
    assert born_anew(load_client("nameless_keeper:make"))(3) == 3
    anew = born_anew(PollingClient)
    assert (anew is not PollingClient, anew.__name__) == (True, "PollingClient")
