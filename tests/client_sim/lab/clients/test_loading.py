"""Loading of clients by name, and their modules in a new process."""

import re
import sys
from pathlib import Path

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients import loading
from client_sim.lab.clients.loading import import_again, load_client
from client_sim.lab.programme.batteries.fleet import fleet
from client_sim.lab.programme.batteries.personal import personal
from client_sim.lab.programme.batteries.timing import timing
from client_sim.lab.programme.execute import run_batteries
from client_sim.lab.programme.plan import Plan, Profile
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.persona import make_persona

PAGE = Path(__file__).parents[4] / "docs" / "PRIVACY.md"
EXAMPLE = re.search(
    r"<!-- own-client:begin -->\n```python\n(.*?)```\n<!-- own-client:end -->",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL,
).group(1)
OWNER = make_persona(b"0 owner 0")  # the lab's first owner with seed 0


@pytest.fixture
def examine_module(tmp_path, monkeypatch):
    """Write a module, load its client by name, and examine it."""
    monkeypatch.syspath_prepend(tmp_path)

    def examine_module(module, text):
        (tmp_path / f"{module}.py").write_text(text)
        factory = load_client(f"{module}:updater")
        testbed = plan_testbed(factory, 0)
        batteries = (personal(testbed, 1), fleet(testbed, 1), timing(testbed, 1))
        return run_batteries(
            Plan(module, "some", 0),
            Profile({}, layers=1),
            factory,
            testbed,
            batteries,
            phones=2,
            on_progress=lambda *_: None,
        )

    return examine_module


def test_example_of_the_page_is_found(examine_module):
    """Its ten lines are a complete client, and the finding names the serial that it leaks."""
    assert sum(bool(line) for line in EXAMPLE.splitlines()) <= 10
    verdict = examine_module("updater_of_the_page", EXAMPLE)
    assert {"grammar", "timing", "canaries", "tripwire"} <= set(verdict.failed())
    assert not verdict.installs
    canaries = next(each for each in verdict.batteries if each.oracle == "canaries")
    sights = {finding.explanation: finding for finding in canaries.findings}
    sight = sights[f"serial as it is: {OWNER.serial}"]
    assert sight.data[sight.offset :].startswith(OWNER.serial.encode())


def test_example_without_its_leak(examine_module):
    """Its fixed interval and its request are still found, but nothing of the owner."""
    honest = EXAMPLE.replace("?sn={owner.serial}", "").replace(
        "phone, owner = world.public, world.personal", "phone = world.public"
    )
    assert honest != EXAMPLE
    failed = set(examine_module("updater_without_leak", honest).failed())
    assert {"grammar", "timing"} <= failed
    assert not failed & {"canaries", "tripwire", "personal", "fleet", "egress"}


def test_functions_are_replaced_before_a_module_imports_them(examine_module, monkeypatch):
    """So an imported `gethostname` returns the name of the simulated machine."""
    prepared = []
    monkeypatch.setattr(loading, "prepare_machines", lambda: prepared.append(dict(sys.modules)))
    examine_module("updater_of_a_host", f"from socket import gethostname\n{EXAMPLE}")
    assert "updater_of_a_host" not in prepared[0]


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


def test_module_is_executed_again_for_a_new_process(tmp_path, monkeypatch):
    """The imported module is not changed. Objects without a name in a module stay the same."""
    (tmp_path / "keeper_of_its_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    factory = load_client("keeper_of_its_own:Client").make
    module = sys.modules["keeper_of_its_own"]
    assert [factory(None), factory(None)] == [(module.ID, 1), (module.ID, 2)]
    one, other = import_again(factory)(None), import_again(factory)(None)
    assert (one[1], other[1]) == (1, 1)
    assert len({one[0], other[0], module.ID}) == 3
    assert sys.modules["keeper_of_its_own"] is module
    nameless = load_client("keeper_of_its_own:here")
    assert import_again(nameless) is nameless
    assert import_again(load_client("keeper_of_its_own:make"))(3) == 3
    anew = import_again(PollingClient)
    assert (anew is not PollingClient, anew.__name__) == (True, "PollingClient")
