from dataclasses import replace

import pytest

from server.core.errors import ReleaseError
from server.core.names import Channel
from server.core.release import decode_releases
from server.core.role_edit import Withdrawal
from signer.errors import ReleaseRefusal
from signer.ota.errors import MAX_SENTENCE
from signer.release.checks import UpgradePath, broken_upgrade_paths, list_upgrade_paths
from signer.release.edits import plan_withdrawal
from signer.release.plan import judge_release
from signer.release.request import ReleaseRequest
from tests.cases import case
from tests.signer.builds import (
    BETA,
    EXPIRES,
    NOW,
    STABLE,
    empty_role,
    fingerprint,
    make_facts,
    path_of,
    role_of,
    sign,
)

GLOBAL = Channel("armani", "global", "stable")
FIRST_BUILD = "Hening/armani/armani:14/UKQ1.250101.001/1.0.0-id:user/release-keys"


@pytest.fixture
def released(facts):
    """Return a role with the first build in stable."""
    return sign(empty_role(), [facts["first"]])


def renamed(facts, name, **changes):
    """Return the facts of a package under another file name."""
    return replace(facts, path=facts.path.with_name(name), **changes)


def test_build_has_one_region(released, facts) -> None:
    """A build can be in several channels of one region only."""
    assert [*sign(released, [facts["first"]], BETA).targets] == [
        "armani/id/beta/armani-first.zip",
        "armani/id/stable/armani-first.zip",
    ]
    for package in (facts["first"], renamed(facts["first"], "armani-global.zip")):
        with pytest.raises(ReleaseRefusal, match="to the region id already; give the package for "):
            sign(released, [package], GLOBAL)


def test_incremental_needs_full_package(released, facts) -> None:
    """The full package must be in the same channel, listed or given."""
    with pytest.raises(ReleaseRefusal, match=r"no full package in armani/id/stable.*name the full"):
        sign(released, [facts["step"]])
    full = sign(released, [facts["second"]])
    assert "armani/id/stable/armani-step.zip" in sign(full, [facts["step"]]).targets
    # A full package in another channel does not count.
    with pytest.raises(ReleaseRefusal, match="no full package in armani/id/beta"):
        sign(full, [facts["step"]], BETA)


def test_source_of_incremental(released, facts) -> None:
    """The source is an older listed build of the region or a factory build."""
    full, step = facts["second"], facts["step"]
    made = sign(empty_role(), [full, step], factory_builds=frozenset({FIRST_BUILD}))
    assert len(made.targets) == 2
    for role, package, sentence in (
        (empty_role(), step, r"starts from \S+, which armani does not list; sign"),
        (
            sign(empty_role(), [full]),
            replace(step, source_builds=(full.fingerprint,)),
            "not older than the build that it leads to",
        ),
        (sign(empty_role(), [facts["first"]], GLOBAL), step, "a build for the region global"),
        (
            released,
            replace(step, source_incrementals=("y",)),
            r"not its incremental 1\.0\.0-id in pre-build-incremental",
        ),
    ):
        with case(sentence), pytest.raises(ReleaseRefusal, match=sentence):
            sign(role, [full, package])


def test_number_of_packages(released, facts) -> None:
    """A build has one full package and two incrementals; a stepping stone must exist."""
    full = facts["second"]
    with pytest.raises(ReleaseRefusal, match=r"has 2 full packages in armani/id/stable, "):
        sign(released, [full, renamed(full, "armani-again.zip")])
    steps = [renamed(facts["step"], f"armani-{n}.zip") for n in range(3)]
    with pytest.raises(ReleaseRefusal, match="has 3 incrementals in armani/id/stable, and 2 can"):
        sign(released, [full, *steps])
    beta = sign(empty_role(), [facts["first"]], BETA)
    with pytest.raises(ReleaseRefusal, match="armani/id/stable has no release from which"):
        sign(beta, [facts["second"]], min_counter=1)
    assert len(sign(released, [facts["second"]], min_counter=1).targets) == 2
    for change in ({"post_timestamp": 1768096799}, {"security_patch_level": "2026-01-04"}):
        with (
            case(change),
            pytest.raises(ReleaseRefusal, match="which is signed already with counter 1"),
        ):
            sign(released, [replace(facts["second"], **change)], GLOBAL)


def test_messages_are_short(facts) -> None:
    """Names of files, builds and paths are cut."""
    first = replace(facts["first"], fingerprint="b" * 128)
    listed = sign(empty_role(), [first])
    for change in (
        {"post_timestamp": 2**53 - 1},
        {"security_patch_level": "2999-01-05"},
        {"fingerprint": "y" * 128},
        {"fingerprint": "y" * 128, "post_timestamp": 1},
        {"fingerprint": "y" * 128, "security_patch_level": "2001-01-05"},
        {"fingerprint": "y" * 128, "source_builds": ("z" * 128,), "type": "incremental"},
    ):
        with case(change):
            long = renamed(first, f"{'x' * 250}.zip", **change)
            judged = judge_release(ReleaseRequest(GLOBAL), [long], listed, NOW, EXPIRES, [first])
            assert judged.refusals
            assert all(len(each) <= MAX_SENTENCE for each in judged.refusals)


def paths(role, channel=STABLE, factory=()):
    """Return counter and packages of each upgrade path."""
    found = list_upgrade_paths(channel, decode_releases(role), factory)
    return [(way.counter, way.packages) for way in found]


def test_upgrade_paths_of_few_builds() -> None:
    """A channel with one build has no upgrade path; withdrawn builds have one."""
    assert paths(empty_role()) == paths(role_of(1)) == paths(role_of(1), BETA) == []
    role = plan_withdrawal(Withdrawal((str(STABLE),), 2), role_of(1, 2, 3), EXPIRES)
    assert paths(role) == [(1, (path_of(3),)), (2, (path_of(3),))]


def test_upgrade_paths() -> None:
    """A phone takes the incremental from its build or the full package, over a stepping stone."""
    role = sign(role_of(1, 2), [make_facts(3), make_facts(3, 2)])
    assert paths(role, factory=[fingerprint(0)]) == [
        (0, (path_of(3),)),
        (1, (path_of(3),)),
        (2, (path_of(3, 2),)),
    ]
    listed = list_upgrade_paths(STABLE, decode_releases(role), [fingerprint(2)])
    assert listed[-1] == UpgradePath(fingerprint(2), 2, (path_of(3, 2),))
    assert len(listed) == 2
    beta = sign(role_of(1, channel=BETA), [make_facts(2)])
    assert paths(beta, factory=[fingerprint(1), fingerprint(2)]) == [(1, (path_of(2),))]
    role = sign(role_of(1), [make_facts(2), make_facts(2, 1)])
    role = sign(role, [make_facts(3), make_facts(3, 2)], min_counter=2)
    assert paths(role, factory=[fingerprint(0)]) == [
        (0, (path_of(2), path_of(3, 2))),
        (1, (path_of(2, 1), path_of(3, 2))),
        (2, (path_of(3, 2),)),
    ]


def test_broken_upgrade_path() -> None:
    """A withdrawn stepping stone breaks the path, and the message says so."""
    role = sign(role_of(1, 2), [make_facts(3)], min_counter=2)
    role = plan_withdrawal(Withdrawal((str(STABLE),), 2), role, EXPIRES)
    with pytest.raises(ReleaseError, match="has no release from which"):
        paths(role)
    assert broken_upgrade_paths(decode_releases(role_of(1, 2))) == []
    (sentence,) = broken_upgrade_paths(decode_releases(role))
    assert sentence.startswith("armani/id/stable has no release from which")
