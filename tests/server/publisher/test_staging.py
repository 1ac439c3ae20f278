"""Staged publications: whole or refused, and audited by an independent client before acceptance."""

import shutil
from datetime import timedelta

import pytest

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError, HeningError, TrustError
from server.publisher import staging
from server.publisher.audit import AuditPlan, audit_staged
from server.publisher.plan import plan_publication
from server.publisher.publisher import Publisher
from server.storage.durable import discard_folder, move_durable
from tests.server.world import FIRST, PACKAGE_2


@pytest.fixture
def publication(world):
    """Plan a renewal of all online roles."""
    published = world.published()
    return plan_publication(
        published, published, [], published.pointers(), world.keys, world.now(), renew=True
    )


def audit(world, staged, paths=(FIRST,), newest_root=1):
    """Audit a staged tree as the publisher does."""
    root = world.folder.trusted_root.read_bytes()
    audit_staged(staged, world.folder.public, root, newest_root, AuditPlan(paths))


def test_round_trip(world, publication):
    """What was written and accepted is read back equal; discarded, it is gone."""
    folder = world.folder.staging
    assert staging.load_staged(folder) is None
    temporary = staging.staged_temporary(folder, 7)
    staging.write_staged(temporary, publication)
    assert staging.load_staged(folder) is None
    move_durable(temporary, folder)
    assert staging.load_staged(folder) == publication
    discard_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_what_was_not_accepted_is_discarded(world, publication):
    """Whichever process wrote it; accepted ones stay."""
    folder = world.folder.staging
    for fence in (3, 12):
        staging.write_staged(staging.staged_temporary(folder, fence), publication)
    move_durable(staging.staged_temporary(folder, 3), folder)
    staging.discard_unaccepted(folder)
    assert list(folder.parent.iterdir()) == [folder]
    assert staging.load_staged(folder) == publication


@pytest.mark.parametrize("name", ["metadata/3.latest.json", "timestamp.json"])
def test_damage_is_named(world, publication, name):
    """A damaged file is not published."""
    temporary = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(temporary, publication)
    move_durable(temporary, world.folder.staging)
    file = world.folder.staging / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(FormatError, match=f"staged {name.rpartition('/')[2]} is damaged"):
        staging.load_staged(world.folder.staging)


@pytest.mark.parametrize(
    "plan",
    [
        [],
        {},
        {"files": [], "schema": 2, "snapshot": 1, "timestamp": ""},
        {"files": [{}], "schema": 1, "snapshot": 1, "timestamp": ""},
        {
            "files": [{"role": "../../keys/latest", "sha256": "", "version": 1}],
            "schema": 1,
            "snapshot": 1,
            "timestamp": "",
        },
    ],
)
def test_a_plan_of_another_form(world, publication, plan):
    """An invalid plan is our own error, not a crash."""
    temporary = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(temporary, publication)
    move_durable(temporary, world.folder.staging)
    (world.folder.staging / "plan.json").write_bytes(encode_canonical_json(plan))
    with pytest.raises(HeningError):
        staging.load_staged(world.folder.staging)


def test_the_audit(world, publication):
    """The future tree passes, with every target found."""
    staged = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(staged, publication)
    audit(world, staged)
    with pytest.raises(TrustError, match=r"does not find armani/id/stable/none\.zip"):
        audit(world, staged, ["armani/id/stable/none.zip"])


def test_the_newest_root_is_reached(world, publication):
    """A root that no client reaches is refused, and one that is not visible yet is not seen."""
    staged = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(staged, publication)
    second = staged / "metadata" / "2.root.json"
    second.write_bytes(world.ceremony.root(2))
    audit(world, staged, newest_root=2)
    audit(world, staged, newest_root=1)
    second.rename(second.with_name("9.root.json"))
    with pytest.raises(TrustError, match="the audit comes to root 1 and no further: 2 is due"):
        audit(world, staged, newest_root=2)


@pytest.mark.parametrize("name", ["metadata/3.latest.json", "metadata/4.snapshot.json"])
def test_a_tampered_tree(world, publication, name):
    """One byte, a lost file, or an older one in its place: the audit refuses the tree."""
    staged = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(staged, publication)
    whole = (staged / name).read_bytes()
    older = {"3": "2.latest.json", "4": "3.snapshot.json"}[name[9]]
    replaced = (world.folder.public / "metadata" / older).read_bytes()
    pointer = ["latest/armani/id/stable"]
    for data in (whole.replace(b'"version":', b'"version":1'), whole[:-2], replaced, b"{}", b""):
        (staged / name).write_bytes(data)
        with pytest.raises(TrustError, match="audit of the staged tree failed"):
            audit(world, staged, pointer)
    (staged / name).unlink()
    with pytest.raises(TrustError, match="audit of the staged tree failed"):
        audit(world, staged, pointer)


def test_what_is_overtaken_is_not_completed(world, tmp_path):
    """A publication not newer than the public state is discarded, and decreases no version."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    kept = tmp_path / "staged"

    world.stop_after(3, lambda publisher: publisher.change_pointers(world.offer(2)))
    shutil.copytree(world.folder.staging, kept)
    assert world.run(Publisher.repair) is not None
    world.ahead = timedelta(hours=2)
    assert world.run(Publisher.refresh) == "timestamp"
    path = world.folder.public / "metadata" / "timestamp.json"
    public = path.read_bytes()
    shutil.copytree(kept, world.folder.staging)
    assert world.run(Publisher.repair) is None
    assert (path.read_bytes(), world.folder.staging.exists()) == (public, False)
    world.ahead = timedelta(hours=4)
    assert world.run(Publisher.refresh) == "timestamp"
