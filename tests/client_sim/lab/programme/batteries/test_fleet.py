"""Phones that install are one crowd for each model, region and channel."""

import re

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.oracles.cardinality import CROWDS
from client_sim.lab.programme.batteries.fleet import downloads, split
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe
from tests.cases import case


def judge(factory, number=0):
    """Run one case and give what was found, and how many phones asked for a package."""
    case = downloads(plan_ground(factory, 0), 4).make(number)
    seen = [observe(factory, setting) for setting in case.settings]
    asked = sum(any(b"/targets/" in c.data for c in each.connections()) for each in seen)
    return case.judge(seen), asked


def test_phones_that_fetch_the_package_of_their_model_raise_no_alarm():
    """Twice as many of each kind as must share a request, whatever build they run."""
    found, asked = judge(DownloadingToy, 1)
    assert found == ()
    assert asked == 2 * 2 * CROWDS["package"]


def test_a_package_that_few_ask_for_is_found():
    """An address of a phone's own, and a build that is named where nobody offered a package."""
    for mutant, words in (
        ("package-own-address", "is shown by 1 of 16 phones, but 4 or more must share it"),
        ("incremental-build", "path has 4 values among 16 phones"),
    ):
        with case(mutant, words):
            found, _ = judge(find_mutant(mutant).make)
            assert any(words in finding.explanation for finding in found)


def run_split(factory, number):
    """Run one case; gives what was found, and what each phone asked for."""
    case = split(plan_ground(factory, 0), 6).make(number)
    seen = [observe(factory, setting) for setting in case.settings]
    data = [b"".join(c.data for c in each.connections()) for each in seen]
    return case.judge(seen), [
        list(dict.fromkeys(re.findall(rb"latest-[0-9a-f]", asked))) for asked in data
    ]


def test_phones_of_one_part_are_one_crowd():
    """Each asks for its own part of 4 and then of 16 (FORMATS section 2, first digits by hand)."""
    found, parts = run_split(PollingClient, 0)
    assert found == ()
    places = [f"{p.codename}/{p.region}/{p.channel}" for p in plan_ground(PollingClient, 0).publics]
    asked = dict(zip(places, parts, strict=False))
    assert asked["armani/id/stable"] == [b"latest-2", b"latest-a"]
    assert asked["cancro/id/stable"] == [b"latest-1", b"latest-4"]
    assert parts[:8] == parts[8:]


def test_a_phone_that_asks_for_more_parts_is_found():
    """Whoever asks for another part than that of its channel is not of the crowd."""

    class Curious(ToyClient):
        """Follows the snapshot, and asks for the part that the owner's number says."""

        def paths(self):
            digit = int(self.world.personal.imei) % 4
            return (
                *super().paths(),
                "/metadata/1.snapshot.json",
                f"/metadata/1.latest-{digit}.json",
            )

    found, _ = run_split(Curious, 0)
    assert any(finding.field == "path" for finding in found)
