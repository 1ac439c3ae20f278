import pytest

from server.core.errors import ReleaseError
from server.core.release import decode_releases
from server.core.role_edit import Withdrawal
from signer.release.checks import UpgradePath, broken_upgrade_paths, list_upgrade_paths
from signer.release.edits import plan_withdrawal
from tests.signer.builds import (
    BETA,
    EXPIRES,
    STABLE,
    empty_role,
    fingerprint,
    make_facts,
    path_of,
    role_of,
    sign,
)


def paths(role, channel=STABLE, factory=()):
    """Return counter and packages of each way."""
    found = list_upgrade_paths(channel, decode_releases(role), factory)
    return [(way.counter, way.packages) for way in found]


def test_an_empty_channel_has_no_ways() -> None:
    """Nor has one with a first build only; phones get away from a withdrawn one."""
    assert paths(empty_role()) == paths(role_of(1)) == paths(role_of(1), BETA) == []
    role = plan_withdrawal(Withdrawal((str(STABLE),), 2), role_of(1, 2, 3), EXPIRES)
    assert paths(role) == [(1, (path_of(3),)), (2, (path_of(3),))]


def test_a_phone_takes_the_incremental_from_its_build() -> None:
    """Every other build takes the full package; a stepping stone comes first."""
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


def test_a_way_that_is_broken_is_said() -> None:
    """A withdrawn stone leads nowhere."""
    role = sign(role_of(1, 2), [make_facts(3)], min_counter=2)
    role = plan_withdrawal(Withdrawal((str(STABLE),), 2), role, EXPIRES)
    with pytest.raises(ReleaseError, match="has no release from which"):
        paths(role)
    assert broken_upgrade_paths(decode_releases(role_of(1, 2))) == []
    (sentence,) = broken_upgrade_paths(decode_releases(role))
    assert sentence.startswith("armani/id/stable has no release from which")
