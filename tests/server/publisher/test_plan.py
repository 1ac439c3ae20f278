"""What a change publishes, and when online roles are signed again."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from server.core.errors import ReleaseError
from server.publisher.plan import earliest_time, newest_signature, plan_publication, plan_refresh
from server.publisher.published import Trust
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, halt
from tests.server.world import SECOND as NEXT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


def plan(world, pointers=None, **options):
    """Plan a publication on the public state."""
    published = world.published()
    pointers = published.pointers() if pointers is None else pointers
    now = options.pop("now", world.ceremony.now)
    return plan_publication(published, published, [], pointers, world.keys, now, **options)


def names(publication):
    """Return role and version of each file."""
    return [(file.role, file.version) for file in publication.files]


def test_renewal(world):
    """A renewal signs latest and snapshot with the same content, and skips used versions.

    Signatures are deterministic, so a retry after a crash gives equal bytes.
    """
    publication = plan(world, renew=True)
    assert publication == plan(world, renew=True)
    assert names(publication) == [("latest", 3), ("snapshot", 4)]
    latest = Metadata.from_bytes(publication.files[0].data).signed
    assert latest.targets == world.published().roles["latest"].targets
    assert names(plan(world, renew=True, used={"latest": 7}))[0] == ("latest", 8)


def test_only_the_timestamp_is_signed(world):
    """Without a change only the timestamp is signed, for one day, with the same snapshot."""
    publication = plan(world)
    assert names(publication) == []
    before, now = world.published(), world.ceremony.now
    timestamp = Metadata.from_bytes(publication.timestamp).signed
    assert timestamp.version == before.timestamp.version + 1
    assert timestamp.snapshot_meta.version == before.snapshot.version
    assert timestamp.expires == now.replace(microsecond=0) + DAY
    assert publication.snapshot_version == before.snapshot.version


def test_changed_pointers(world):
    """A change of pointers signs latest and snapshot, and keeps all other versions."""
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


def test_pointer_to_an_unlisted_package(world):
    """A pointer to a package that the model's role does not list is refused."""
    published = world.published()
    (path, pointer) = next(iter(published.pointers().items()))
    with pytest.raises(ReleaseError, match="does not list with"):
        plan(world, {path.replace("armani", "cancro"): pointer})


def test_renewal_schedule(world):
    """The timestamp is renewed after an hour, all online roles after half a week.

    A clock that was set back renews nothing.
    """
    published = world.published()
    signed = published.timestamp.expires - DAY
    for age, due in (
        (-DAY, ""),
        (timedelta(), ""),
        (HOUR - SECOND, ""),
        (HOUR, "timestamp"),
        (DAY + HOUR, "timestamp"),
        (3.5 * DAY - HOUR, "timestamp"),
        (3.5 * DAY + SECOND, "all"),
        (30 * DAY, "all"),
    ):
        assert plan_refresh(published, signed + age) == due, age


ODD = {"en": "Fast \u202egpj.exe, see https://rom.example"}


def texts(world, version, first, second=None):
    """Sign a version of armani whose builds have these changelogs."""
    files = {FIRST: (PACKAGE_1, release(1, changelog=first))}
    if second is not None:
        files[NEXT] = (PACKAGE_2, release(2, changelog=second))
    return {("armani", version): world.ceremony.role("armani", version, files)}


def test_new_changelogs_are_plain_text(world):
    """A bundle with a new changelog that is not plain text is refused."""
    for files, path in (
        (texts(world, 3, {"en": "Fixes."}, ODD), NEXT),
        (texts(world, 3, ODD), FIRST),
    ):
        result = world.publish(files, [PACKAGE_2])
        assert result.status == "refused"
        assert result.reason.startswith(f"{path} has a new changelog in en that is not plain text")
    assert world.published().roles["armani"].version == 2


def test_only_the_last_version_of_a_chain_is_checked(world):
    """Only the last version of a chain must have valid changelogs."""
    chain = texts(world, 3, ODD) | texts(world, 4, {"en": "Fixes."})
    assert world.publish(chain).reason == ""
    assert world.published().roles["armani"].version == 4
    chain = texts(world, 5, {"en": "Fixes."}) | texts(world, 6, ODD)
    assert "not plain text" in world.publish(chain).reason


def test_new_reasons_are_plain_text(world):
    """A pointer with a new reason that is not plain text is not signed."""

    def edit(published):
        (pointer,) = published.pointers().values()
        return {CHANNEL.pointer_path: replace(pointer, paused=True, reason=ODD)}

    with pytest.raises(ReleaseError, match=r"^latest/armani/id/stable: the reason in en"):
        world.run(lambda publisher: publisher.change_pointers(edit))
    assert not world.published().pointers()[CHANNEL.pointer_path].paused


def test_older_texts_remain_valid(world, monkeypatch):
    """Texts that an older version accepted remain valid; builds can be added and offers halted."""

    def pause(published):
        (pointer,) = published.pointers().values()
        return {CHANNEL.pointer_path: replace(pointer, paused=True, reason=ODD)}

    with monkeypatch.context() as older:
        older.setattr("server.publisher.plan.check_changelogs", lambda *_: None)
        older.setattr("server.publisher.plan.check_reasons", lambda *_: None)
        assert world.publish(texts(world, 3, ODD)).reason == ""
        world.run(lambda publisher: publisher.change_pointers(pause))
    assert world.publish(texts(world, 4, ODD, {"en": "Fixes."}), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.change_pointers(halt(ODD["en"])))
    pointer = world.published().pointers()[CHANNEL.pointer_path]
    assert (pointer.halted, pointer.reason) == (True, ODD)


def test_signatures_of_a_revoked_key_do_not_count(world):
    """The earliest date is the newest signature's, except for keys that the new root revokes."""
    published = world.published()
    published.timestamp.expires += 3650 * DAY
    assert earliest_time(published, published) == newest_signature(published)
    new = Metadata.from_bytes(
        world.ceremony.root(2, {"timestamp": [CryptoSigner.generate_ed25519().public_key]})
    ).signed
    trust = Trust(new, published.targets, published.roles)
    assert earliest_time(published, trust) == published.snapshot.expires - 7 * DAY
