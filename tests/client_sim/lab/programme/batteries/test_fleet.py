"""Fleets: phones of one model, region and channel send the same requests."""

import re

from client_sim.device.client import PollingClient
from client_sim.lab.clients.following import DownloadingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.oracles.cardinality import CROWDS
from client_sim.lab.programme.batteries.fleet import downloads, split
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import plan_testbed
from tests.cases import case


def run_case(tried, factory):
    """Run a case; return its findings, and all bytes that each phone sent."""
    seen = [observe(factory, setting) for setting in tried.settings]
    return tried.judge(seen), [b"".join(c.data for c in each.connections()) for each in seen]


def run_downloads(factory, number):
    """Run one case of `downloads`."""
    return run_case(downloads(plan_testbed(factory, 0), 4).make(number), factory)


def run_split(factory):
    """Run the first case of `split`."""
    return run_case(split(plan_testbed(factory, 0), 6).make(0), factory)


def test_downloads_of_clean_phones_raise_no_alarm():
    """Each package is requested by twice as many phones as required, whatever build they run."""
    found, sent = run_downloads(DownloadingToy, 1)
    assert found == ()
    assert sum(b"/targets/" in data for data in sent) == 2 * 2 * CROWDS["package"]


def test_packages_that_few_phones_request_are_found():
    """One client uses an address of its own, another names its build without an offer."""
    for mutant, words in (
        ("package-own-address", "is shown by 1 of 16 phones, but 4 or more must share it"),
        ("incremental-build", "path has 4 values among 16 phones"),
    ):
        with case(mutant, words):
            found, _ = run_downloads(find_mutant(mutant).make, 0)
            assert any(words in finding.explanation for finding in found)


def test_phones_request_the_part_of_their_channel():
    """Of 4 parts and later of 16 (FORMATS section 2; digits computed by hand)."""
    found, sent = run_split(PollingClient)
    parts = [list(dict.fromkeys(re.findall(rb"latest-[0-9a-f]", data))) for data in sent]
    assert found == ()
    places = [
        f"{p.codename}/{p.region}/{p.channel}" for p in plan_testbed(PollingClient, 0).publics
    ]
    by_place = dict(zip(places, parts, strict=False))
    assert by_place["armani/id/stable"] == [b"latest-2", b"latest-a"]
    assert by_place["cancro/id/stable"] == [b"latest-1", b"latest-4"]
    assert parts[:8] == parts[8:]


def test_phone_that_requests_another_part_is_found():
    """A part that depends on the owner is an alarm."""

    class Curious(ToyClient):
        """Requests a part that depends on the owner's IMEI."""

        def paths(self):
            digit = int(self.world.personal.imei) % 4
            return (
                *super().paths(),
                "/metadata/1.snapshot.json",
                f"/metadata/1.latest-{digit}.json",
            )

    found, _ = run_split(Curious)
    assert any(finding.field == "path" for finding in found)
