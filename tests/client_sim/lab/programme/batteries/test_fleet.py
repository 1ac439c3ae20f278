"""Phones that install are one crowd for each model, region and channel."""

import pytest

from client_sim.lab.clients.downloading import DownloadingToy
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.oracles.crowds import CROWDS
from client_sim.lab.programme.batteries.fleet import downloads
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe


def judge(factory, number=0):
    """Run one case and give what was found, and how many phones asked for a package."""
    case = downloads(plan_ground(factory, 0), 4).make(number)
    seen = [observe(factory, setting) for setting in case.settings]
    asked = sum(any(b"/targets/" in c.octets for c in each.connections()) for each in seen)
    return case.judge(seen), asked


def test_phones_that_fetch_the_package_of_their_model_raise_no_alarm():
    """Twice as many of each kind as must share a request, whatever build they run."""
    found, asked = judge(DownloadingToy, 1)
    assert found == ()
    assert asked == 2 * 2 * CROWDS["package"]


@pytest.mark.parametrize(
    ("mutant", "words"),
    [
        ("package-own-address", "is shown by 1 of 16 phones, where 4 or more must share it"),
        ("incremental-build", "path has 4 values among 16 phones"),
    ],
)
def test_a_package_that_few_ask_for_is_found(mutant, words):
    """An address of a phone's own, and a build that is named where nobody offered a package."""
    found, _ = judge(find_mutant(mutant).make)
    assert any(words in finding.explanation for finding in found)
