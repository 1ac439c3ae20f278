from dataclasses import replace
from datetime import timedelta

import pytest
from tuf.api.metadata import Targets

from server.core.names import Channel
from signer.errors import ReleaseRefusal
from signer.ota.errors import MAX_SENTENCE
from signer.release.plan import judge_release, plan_release
from signer.release.request import ReleaseRequest
from tests.cases import case
from tests.signer.builds import NOW

STABLE = Channel("armani", "id", "stable")
BETA = Channel("armani", "id", "beta")
GLOBAL = Channel("armani", "global", "stable")


@pytest.fixture
def plan(now):
    """Return what plans a release of packages in a channel after the current version."""
    expires = now + timedelta(days=90)

    def planned(channel, packages, current=None):
        current = Targets(version=1, expires=expires) if current is None else current
        return plan_release(ReleaseRequest(channel), packages, current, NOW, expires)

    return planned


def test_a_build_goes_to_another_channel_of_its_region(plan, facts) -> None:
    """That is how a release is promoted."""
    beta = plan(BETA, [facts["first"]])
    assert list(plan(STABLE, [facts["first"]], beta).targets) == [
        "armani/id/beta/armani-first.zip",
        "armani/id/stable/armani-first.zip",
    ]


def test_a_build_of_another_region_is_refused(plan, facts) -> None:
    """The wrong file for --region would give phones another region's system."""
    listed = plan(STABLE, [facts["first"]])
    with pytest.raises(ReleaseRefusal, match="to the region id already; give the package for glo"):
        plan(GLOBAL, [facts["first"]], listed)
    # The same build under another file name is still the same build.
    renamed = replace(facts["first"], path=facts["first"].path.with_name("armani-global.zip"))
    with pytest.raises(ReleaseRefusal, match="to the region id already"):
        plan(GLOBAL, [renamed], listed)


def test_an_incremental_alone_is_refused(plan, facts) -> None:
    """No pointer could lead to it; with the full package beside it or before it, it is fine."""
    listed = plan(STABLE, [facts["first"]])
    with pytest.raises(ReleaseRefusal, match=r"no full package in armani/id/stable.*name the full"):
        plan(STABLE, [facts["step"]], listed)
    full = plan(STABLE, [facts["second"]], listed)
    assert "armani/id/stable/armani-step.zip" in plan(STABLE, [facts["step"]], full).targets
    # A full package in another channel is none in this one.
    with pytest.raises(ReleaseRefusal, match="no full package in armani/id/beta"):
        plan(BETA, [facts["step"]], full)


def test_order_is_kept_across_regions(plan, facts) -> None:
    """A build for one region is compared with those of all regions."""
    for change in ({"post_timestamp": 1768096799}, {"security_patch_level": "2026-01-04"}):
        with case(change):
            listed = plan(STABLE, [facts["first"]])
            with pytest.raises(ReleaseRefusal, match="which is signed already with counter 1"):
                plan(GLOBAL, [replace(facts["second"], **change)], listed)


FIRST_BUILD = "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"


def test_an_incremental_starts_from_a_known_build(facts, now) -> None:
    """Listed, or stated to have left the factory."""
    expires = now + timedelta(days=90)
    empty = Targets(version=1, expires=expires)
    both = [facts["second"], facts["step"]]
    with pytest.raises(ReleaseRefusal, match=r"starts from \S+, which armani does not list; sign"):
        plan_release(ReleaseRequest(STABLE), both, empty, NOW, expires)
    request = ReleaseRequest(STABLE, factory_builds=frozenset({FIRST_BUILD}))
    assert len(plan_release(request, both, empty, NOW, expires).targets) == 2


def test_an_incremental_starts_from_an_older_build_of_the_region(plan, facts) -> None:
    """Not from its own build, nor from one that is made for others."""
    second = facts["second"].fingerprint
    backwards = replace(facts["step"], source_builds=(second,))
    with pytest.raises(ReleaseRefusal, match="not older than the build that it leads to"):
        plan(STABLE, [facts["second"], backwards], plan(STABLE, [facts["second"]]))
    listed = plan(GLOBAL, [facts["first"]])
    with pytest.raises(ReleaseRefusal, match="a build for the region global"):
        plan(STABLE, [facts["second"], facts["step"]], listed)


def test_a_pointer_offers_one_full_package_and_two_incrementals(plan, facts) -> None:
    """More could be signed and never offered."""
    listed = plan(STABLE, [facts["first"]])
    again = replace(facts["second"], path=facts["second"].path.with_name("armani-again.zip"))
    with pytest.raises(ReleaseRefusal, match=r"has 2 full packages in armani/id/stable, "):
        plan(STABLE, [facts["second"], again], listed)
    steps = [
        replace(facts["step"], path=facts["step"].path.with_name(f"armani-{n}.zip"))
        for n in range(3)
    ]
    with pytest.raises(ReleaseRefusal, match="has 3 incrementals in armani/id/stable, and 2 can"):
        plan(STABLE, [facts["second"], *steps], listed)


def test_a_stepping_stone_must_be_there(facts, now) -> None:
    """A build below it needs a full package on the way, in the same channel."""
    expires = now + timedelta(days=90)
    empty = Targets(version=1, expires=expires)
    beta = plan_release(ReleaseRequest(BETA), [facts["first"]], empty, NOW, expires)
    request = ReleaseRequest(STABLE, min_counter=1)
    with pytest.raises(ReleaseRefusal, match="armani/id/stable has no release from which"):
        plan_release(request, [facts["second"]], beta, NOW, expires)
    stable = plan_release(ReleaseRequest(STABLE), [facts["first"]], empty, NOW, expires)
    assert len(plan_release(request, [facts["second"]], stable, NOW, expires).targets) == 2


LONG_NAME = "x" * 250


def test_sentences_are_short(plan, facts, now) -> None:
    """Every name in them is cut: of files, builds and paths."""
    for change in (
        {"post_timestamp": 2**53 - 1},
        {"security_patch_level": "2999-01-05"},
        {"fingerprint": "y" * 128},
        {"fingerprint": "y" * 128, "post_timestamp": 1},
        {"fingerprint": "y" * 128, "security_patch_level": "2001-01-05"},
        {"fingerprint": "y" * 128, "source_builds": ("z" * 128,), "type": "incremental"},
    ):
        with case(change):
            first = replace(facts["first"], fingerprint="b" * 128)
            listed = plan(STABLE, [first])
            long = replace(first, path=first.path.with_name(f"{LONG_NAME}.zip"), **change)
            request = ReleaseRequest(GLOBAL)
            judged = judge_release(request, [long], listed, NOW, now + timedelta(days=90), [first])
            assert judged.refusals
            assert all(len(each) <= MAX_SENTENCE for each in judged.refusals)


def test_the_incremental_of_a_source_is_named(plan, facts) -> None:
    """A phone compares both, and refuses after the download where one is missing."""
    listed = plan(STABLE, [facts["first"]])
    wrong = replace(facts["step"], source_incrementals=("y",))
    with pytest.raises(
        ReleaseRefusal, match=r"not its incremental 1\.0\.0-id in pre-build-incremental"
    ):
        plan(STABLE, [facts["second"], wrong], listed)
