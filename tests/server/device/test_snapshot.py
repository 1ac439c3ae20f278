"""Which versions a snapshot of the public tree serves."""

from datetime import timedelta

import pytest

from server.core.errors import FormatError
from server.publisher.keys.rotation import make_next_keys
from server.publisher.publisher import Publisher
from server.storage.tree import LocalTree, list_roots, write_roots
from tests.server.ceremony import release
from tests.server.world import FIRST, PACKAGE_1


def served(snapshot, role):
    """Return the served versions of a role."""
    ends = f".{role}.json"
    paths = [path for path in snapshot.documents if path.endswith(ends)]
    return sorted(int(path.removeprefix("/metadata/").removesuffix(ends)) for path in paths)


def test_nine_versions_of_a_role_are_served(world):
    """Nine versions of a role are served, older ones are gone; all roots and proofs stay."""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""

    pointers = world.published().pointers()

    async def renew(publisher):
        for _ in range(6):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)

    world.run(renew)
    snapshot, published = world.snapshot(), world.published()
    for role, newest in (
        ("latest", published.roles["latest"].version),
        ("snapshot", published.snapshot.version),
    ):
        assert newest > 10
        assert served(snapshot, role) == list(range(newest - 8, newest + 1))
        assert snapshot.is_gone(f"/metadata/{newest - 9}.{role}.json")
        assert not snapshot.is_gone(f"/metadata/{newest - 8}.{role}.json")
        assert not snapshot.is_gone(f"/metadata/{newest + 1}.{role}.json")
    assert served(snapshot, "root") == [1, 2]
    assert "/log/proof/latest.1" in snapshot.documents


def test_withdrawn_package_drains_until_the_signed_time(world):
    """A withdrawn package is served until the timestamp's time passes `drain_until`."""
    signed = int((world.published().timestamp.expires - timedelta(days=1)).timestamp())
    drained = release(1, withdrawn=True, drain_until=signed + 3600)
    files = {("armani", 3): world.ceremony.role("armani", 3, {FIRST: (PACKAGE_1, drained)})}
    assert world.publish(files).reason == ""
    sha256 = world.published().roles["armani"].targets[FIRST].hashes["sha256"]
    url = f"/targets/armani/id/stable/{sha256}.armani-1.zip"
    before = world.snapshot()
    assert url in before.packages
    assert not before.is_gone(url)
    world.ahead += timedelta(hours=2)
    assert world.run(Publisher.refresh) == "timestamp"
    after = world.snapshot()
    assert url not in after.packages
    assert after.is_gone(url)


def test_unpublished_files_are_not_served(world):
    """Files of an interrupted publication are not served before their timestamp."""
    metadata = world.folder.public / "metadata"
    before = world.snapshot().documents.keys()
    write_roots(LocalTree(world.folder.public), before=1, newest=2, timestamp=4, time=0)
    for role, version in (("armani", 3), ("latest", 3), ("snapshot", 4), ("root", 2)):
        (metadata / f"{version}.{role}.json").write_bytes(b"{}")
    assert world.snapshot().documents.keys() == before
    assert world.published().root.version == 1
    assert list_roots(world.folder.public, 4) == [1, 2]


def test_proofs_signed_again_are_read_again(world):
    """Proofs are read again with the next timestamp; immutable files are not."""
    before = world.snapshot()
    world.run(lambda publisher: make_next_keys(publisher, world.folder, ["log"]))
    after = world.snapshot(before)
    proofs = [path for path in before.documents if path.startswith("/log/proof/")]
    for path in proofs:
        old, new = before.documents[path].identity, after.documents[path].identity
        assert new.body.startswith(old.body)
        assert new.etag != old.etag
        on_disk = (world.folder.public / path[1:]).read_bytes()
        assert (new.body, after.documents[path].identity.headers["Cache-Control"]) == (
            on_disk,
            "public, max-age=60",
        )
    again = world.snapshot(after)
    assert all(again.documents[path] is after.documents[path] for path in proofs)
    for path in ("/metadata/1.root.json", "/metadata/2.armani.json"):
        assert after.documents[path] is before.documents[path]


def test_missing_root_is_an_error(world):
    """A tree without a root, or with a malformed record, raises an error."""
    (world.folder.public / "roots.json").write_bytes(b"{}\n")
    with pytest.raises(FormatError, match=r"roots\.json"):
        list_roots(world.folder.public, 3)
    (world.folder.public / "roots.json").unlink()
    (world.folder.public / "metadata" / "1.root.json").unlink()
    with pytest.raises(FormatError, match="no root is public"):
        world.snapshot()
