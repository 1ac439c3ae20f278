import dataclasses

import pytest

from client_sim.device.agreement import SignedTarget, check_agreement
from client_sim.device.choose import Offer
from client_sim.device.errors import AgreementError
from client_sim.device.release import decode_release
from tests.client_sim.device.repository_simulator import START, make_release

PATH = "armani/id/stable/a.zip"
OFFER = Offer(PATH, 7, "0" * 64, "full", 2, START, "2026-01-05", 0, (), 5)
TARGET = SignedTarget(7, "0" * 64, decode_release(PATH, make_release()))


def test_agreement_is_silent():
    """Where both say the same nothing is raised; the final counter is the pointer's own."""
    check_agreement(OFFER, TARGET)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "armani/id/stable/b.zip"},
        {"length": 8},
        {"sha256": "1" * 64},
        {"type": "incremental"},
        {"counter": 3},
        {"post_timestamp": START + 1},
        {"security_patch_level": "2026-01-06"},
        {"min_counter": 1},
        {"source_builds": ("x",)},
    ],
)
def test_each_difference_is_refused(change):
    """All nine facts are compared."""
    with pytest.raises(AgreementError):
        check_agreement(dataclasses.replace(OFFER, **change), TARGET)


def test_a_withdrawn_release_is_refused():
    """Withdrawn is final, whatever an online key points at."""
    release = dataclasses.replace(TARGET.release, withdrawn=True)
    with pytest.raises(AgreementError, match="withdrawn"):
        check_agreement(OFFER, dataclasses.replace(TARGET, release=release))


@pytest.mark.parametrize("until", [0, START, 2**53 - 1, "later"])
def test_a_drain_is_no_reprieve(until):
    """What still drains is withdrawn for a phone, whatever that member says."""
    custom = make_release(withdrawn=True, drain_until=until)
    target = dataclasses.replace(TARGET, release=decode_release(PATH, custom))
    with pytest.raises(AgreementError, match="withdrawn"):
        check_agreement(OFFER, target)
