import dataclasses

import pytest

from client_sim.device.agreement import SignedTarget, check_agreement
from client_sim.device.choose import Offer
from client_sim.device.errors import AgreementError
from client_sim.device.release import decode_release
from tests.cases import case
from tests.client_sim.device.repository_simulator import START, make_release

PATH = "armani/id/stable/a.zip"
OFFER = Offer(PATH, 7, "0" * 64, "full", 2, START, "2026-01-05", 0, (), 5)
TARGET = SignedTarget(7, "0" * 64, decode_release(PATH, make_release()))


def test_each_difference_is_refused():
    """All nine facts are compared; the final counter is the pointer's own."""
    check_agreement(OFFER, TARGET)
    for change in (
        {"path": "armani/id/stable/b.zip"},
        {"length": 8},
        {"sha256": "1" * 64},
        {"type": "incremental"},
        {"counter": 3},
        {"post_timestamp": START + 1},
        {"security_patch_level": "2026-01-06"},
        {"min_counter": 1},
        {"source_builds": ("x",)},
    ):
        with case(change), pytest.raises(AgreementError):
            check_agreement(dataclasses.replace(OFFER, **change), TARGET)


def test_a_withdrawn_release_is_refused():
    """Withdrawn is final, whatever an online key points at, also while it still drains."""
    for drain in ({}, {"drain_until": 2**53 - 1}, {"drain_until": "later"}):
        release = decode_release(PATH, make_release(withdrawn=True, **drain))
        with pytest.raises(AgreementError, match="withdrawn"):
            check_agreement(OFFER, dataclasses.replace(TARGET, release=release))
