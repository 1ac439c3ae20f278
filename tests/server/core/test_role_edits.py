"""Edits of a model's role that signer and control plane share."""

from datetime import UTC, datetime

import pytest
from tuf.api.metadata import TargetFile, Targets

from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel, decode_channel
from server.core.pointer import check_full, check_incrementals, choose_min_counter
from server.core.proposal import decode_proposal
from server.core.release import decode_floor, decode_releases
from server.core.role_edit import (
    PromotionRequest,
    Withdrawal,
    is_unchanged,
    plan_promotion,
    plan_retirement,
    plan_withdrawal,
)
from tests.server.ceremony import release

STABLE = decode_channel("armani/id/stable")
BETA = Channel("armani", "id", "beta")
EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def role():
    """Return a role with builds 1 and 2 in stable, 2 with an incremental from 1."""
    role = Targets(version=7, expires=EXPIRES)
    step = {"type": "incremental", "source_builds": [release(1)["fingerprint"]]}
    for name, custom in (
        ("1.zip", release(1)),
        ("2.zip", release(2)),
        ("2-from-1.zip", release(2, **step)),
    ):
        path = f"{STABLE}/{name}"
        role.targets[path] = TargetFile(9, {"sha256": f"{len(role.targets):064x}"}, path, {})
        role.targets[path].unrecognized_fields["custom"] = custom
    return role


def test_withdrawal_changes_one_package(role):
    """A withdrawal changes only the named package, in the next version."""
    path = f"{STABLE}/2-from-1.zip"
    planned = plan_withdrawal(Withdrawal((path,), 2, 1_900_000_000), role, EXPIRES)
    assert planned.version == 8
    after = decode_releases(planned)
    assert [each for each, found in after.items() if found.withdrawn] == [path]
    assert after[path].drain_until == 1_900_000_000
    assert is_unchanged(
        planned, plan_withdrawal(Withdrawal((path,), 2, 1_900_000_000), planned, EXPIRES)
    )


def test_impossible_withdrawals_are_refused(role):
    """An impossible withdrawal raises an error of the core."""
    for order, sentence in (
        (Withdrawal((str(STABLE),), 3), "lists no build with counter 3"),
        (Withdrawal((f"{STABLE}/9.zip",)), "is not listed"),
        (Withdrawal((f"{STABLE}/2.zip",)), "would stay, and a pointer cannot offer"),
        (Withdrawal(("armani",)), "give the counter of the build"),
        (Withdrawal(("armani", "cancro"), 1), "one model at a time"),
        (Withdrawal(("Armani",), 1), "is neither CODENAME"),
    ):
        with pytest.raises(ReleaseError, match=sentence):
            plan_withdrawal(order, role, EXPIRES)


def test_promotion_copies_full_and_listed_incrementals(role):
    """A promotion copies the full package, and incrementals whose source is listed."""
    promotion = plan_promotion(PromotionRequest(STABLE, BETA, 2), role, EXPIRES)
    assert promotion.paths == (f"{BETA}/2.zip",)
    assert "is not promoted" in promotion.left_out[0]
    for order, sentence in (
        (PromotionRequest(STABLE, STABLE, 2), "is named twice"),
        (PromotionRequest(STABLE, Channel("armani", "eu", "beta"), 2), "one model and region"),
        (PromotionRequest(STABLE, BETA, 9), "lists no build with counter 9"),
    ):
        with pytest.raises(ReleaseError, match=sentence):
            plan_promotion(order, role, EXPIRES)


def test_retired_role_is_empty(role):
    """A retired role is empty, with a floor above all its builds."""
    planned = plan_retirement("armani", role, EXPIRES)
    assert (dict(planned.targets), decode_floor(planned).counter) == ({}, 3)
    assert is_unchanged(planned, plan_retirement("armani", planned, EXPIRES))


def test_packages_of_a_build(role):
    """A build has one full package and at most two incrementals, and one stepping stone."""
    listed = decode_releases(role)
    check_full(STABLE, 2, listed)
    check_incrementals(STABLE, 2, listed)
    without = {path: each for path, each in listed.items() if not path.endswith("/2.zip")}
    with pytest.raises(ReleaseError, match="has no full package"):
        check_full(STABLE, 2, without)
    assert choose_min_counter(STABLE, None, 2, listed) == 0
    for wanted, sentence in (
        (2, "is not below the build's counter"),
        (1, "all must have the same"),
    ):
        with pytest.raises(ReleaseError, match=sentence):
            choose_min_counter(STABLE, wanted, 2, listed)


def test_malformed_proposal_is_refused():
    """A file that is no proposal raises an error of the core."""
    with pytest.raises(FormatError, match="is not a proposal of schema 1"):
        decode_proposal(b"{}\n")
