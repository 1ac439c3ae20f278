"""What a version before the limits published is named, with the key that signed it."""

from datetime import UTC, datetime, timedelta

import pytest

from server.publisher.ahead import AheadFinder
from server.publisher.plan import TIMESTAMP_LIFE
from server.publisher.published import load_published
from tests.attacks.poisoned import open_poisoned
from tests.attacks.role_thief import load_key


@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        ("clock", "the floor_time 2035-"),
        ("build-time", "the post_timestamp 2035-"),
        ("counter", "has counter 9007199254740991, more than 1000 above"),
        ("patch-level", "the patch level 9999-12-31"),
    ],
)
def test_a_poisoned_role_is_named_with_its_signer(scenario, names, tmp_path):
    """For as long as it is published, and nothing else is."""
    poisoned = open_poisoned(scenario, tmp_path)
    thief = load_key(poisoned.keys, "armani-1", poisoned.facts["passphrase"]).public_key.keyid
    public = poisoned.server / "public"
    finder, published = AheadFinder(public), load_published(public)
    for hours in (1, 2):
        now = datetime.fromtimestamp(poisoned.facts["moment"], UTC) + timedelta(hours=hours)
        (found,) = finder.find(published, now)
        assert found.role == "armani"
        assert names in found.sentence
        assert f"by the key {thief[:16]}." in found.sentence
        assert "hening-signer ceremony reset armani" in found.sentence


def test_what_is_in_order_is_not_named(world):
    """Neither now nor later."""
    published = load_published(world.folder.public)
    assert AheadFinder(world.folder.public).find(published, world.now()) == []


def test_online_roles_that_are_ahead_are_named(world):
    """Each that lives longer than it can, had it been signed now."""
    published = load_published(world.folder.public)
    ago = published.timestamp.expires - TIMESTAMP_LIFE - timedelta(days=2)
    found = AheadFinder(world.folder.public).find(published, ago)
    assert [each.role for each in found] == ["timestamp", "snapshot", "latest"]
    key = next(iter(published.root.roles["timestamp"].keyids))
    assert f"by the key {key[:16]}." in found[0].sentence


def test_targets_that_live_too_long_are_to_be_signed_again(world):
    """There is no reset of them; packs have one."""
    published = load_published(world.folder.public)
    long_ago = published.targets.expires - timedelta(days=3652)
    found = AheadFinder(world.folder.public).find(published, long_ago)
    sentences = {each.role: each.sentence for each in found}
    assert "`hening-signer ceremony renew targets`" in sentences["targets"]
    assert "`hening-signer ceremony reset tables`" in sentences["tables"]
