"""What a change makes public, and when the online roles are signed afresh."""

from datetime import timedelta

import pytest
from tuf.api.metadata import Metadata

from server.core.errors import ReleaseError
from server.publisher.plan import plan_publication, plan_refresh

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


def plan(world, pointers=None, **options):
    """Plan a publication on what is public."""
    published = world.published()
    pointers = published.pointers() if pointers is None else pointers
    now = options.pop("now", world.ceremony.now)
    return plan_publication(published, published, [], pointers, world.keys, now, **options)


def names(publication):
    """Return role and version of each file."""
    return [(file.role, file.version) for file in publication.files]


def test_the_same_input_gives_the_same_octets(world):
    """Signatures are deterministic, so a crash and a retry cannot differ."""
    assert plan(world, renew=True) == plan(world, renew=True)


def test_nothing_but_the_timestamp(world):
    """Without a change only the timestamp is signed, for a day, with the same snapshot."""
    publication = plan(world)
    assert names(publication) == []
    before, now = world.published(), world.ceremony.now
    timestamp = Metadata.from_bytes(publication.timestamp).signed
    assert timestamp.version == before.timestamp.version + 1
    assert timestamp.snapshot_meta.version == before.snapshot.version
    assert timestamp.expires == now.replace(microsecond=0) + DAY
    assert publication.snapshot_version == before.snapshot.version


def test_a_change_of_pointers(world):
    """A change of a pointer signs latest and snapshot, and names nothing else anew."""
    publication = plan(world, {})
    assert names(publication) == [("latest", 3), ("snapshot", 4)]
    latest, snapshot = (Metadata.from_bytes(file.data).signed for file in publication.files)
    assert latest.targets == {}
    versions = {name: meta.version for name, meta in snapshot.meta.items()}
    assert versions == {
        "armani.json": 2,
        "cancro.json": 1,
        "content.json": 1,
        "latest.json": 3,
        "tables.json": 1,
        "targets.json": 1,
    }
    assert all(meta.length is None and not meta.hashes for meta in snapshot.meta.values())


def test_a_renewal(world):
    """Both are signed afresh with what they said before."""
    publication = plan(world, renew=True)
    assert names(publication) == [("latest", 3), ("snapshot", 4)]
    latest = Metadata.from_bytes(publication.files[0].data).signed
    assert latest.targets == world.published().roles["latest"].targets


def test_a_burned_version_of_latest_is_skipped(world):
    """A version that the log knows is not signed a second time."""
    assert names(plan(world, renew=True, logged={"latest": 7}))[0] == ("latest", 8)


def test_a_pointer_to_what_nobody_signed(world):
    """Online keys can only choose among what the model's role lists."""
    published = world.published()
    (path, pointer) = next(iter(published.pointers().items()))
    with pytest.raises(ReleaseError, match="does not list so"):
        plan(world, {path.replace("armani", "cancro"): pointer})


@pytest.mark.parametrize(
    ("age", "due"),
    [
        (-DAY, ""),
        (timedelta(), ""),
        (HOUR - 2 * SECOND, ""),
        (HOUR + SECOND, "timestamp"),
        (DAY + HOUR, "timestamp"),
        (3.5 * DAY - HOUR, "timestamp"),
        (3.5 * DAY + SECOND, "all"),
        (30 * DAY, "all"),
    ],
)
def test_the_schedule(world, age, due):
    """An hour for the timestamp, half of a week for the rest; never by a clock set back."""
    published = world.published()
    signed = published.timestamp.expires - DAY
    assert plan_refresh(published, signed + age) == due


def test_the_schedule_at_its_borders(world):
    """One second decides."""
    published = world.published()
    start = published.timestamp.expires - DAY
    assert plan_refresh(published, start + HOUR - SECOND) == ""
    assert plan_refresh(published, start + HOUR) == "timestamp"
    half = min(published.snapshot.expires, published.roles["latest"].expires) - 3.5 * DAY
    assert plan_refresh(published, half) == "timestamp"
    assert plan_refresh(published, half + SECOND) == "all"
