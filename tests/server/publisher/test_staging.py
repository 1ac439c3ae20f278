"""Staged publications are complete or refused, and an independent client audits them."""

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
from tests.cases import case
from tests.server.world import FIRST, PACKAGE_2


@pytest.fixture
def publication(world):
    """Return the plan of a renewal of all online roles."""
    published = world.published()
    return plan_publication(
        published, published, [], published.pointers(), world.keys, world.now(), renew=True
    )


@pytest.fixture
def staged(world, publication):
    """Return the folder of that publication before it is accepted."""
    folder = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(folder, publication)
    return folder


def audit(world, staged, paths=(FIRST,), newest_root=1):
    """Audit a staged tree as the publisher does."""
    root = world.folder.trusted_root.read_bytes()
    audit_staged(staged, world.folder.public, root, newest_root, AuditPlan(paths))


def test_staged_publication_round_trip(world, publication, staged):
    """An accepted publication is loaded as it was written; unaccepted ones are discarded."""
    folder = world.folder.staging
    assert staging.load_staged(folder) is None
    staging.write_staged(staging.staged_temporary(folder, 12), publication)
    move_durable(staged, folder)
    staging.discard_unaccepted(folder)
    assert list(folder.parent.iterdir()) == [folder]
    assert staging.load_staged(folder) == publication
    discard_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_damaged_files_are_refused(world, staged):
    """A publication with a damaged file or plan is refused."""
    folder = world.folder.staging
    move_durable(staged, folder)
    for name in ("metadata/3.latest.json", "timestamp.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1])
        with pytest.raises(FormatError, match=f"staged {name.rpartition('/')[2]} is damaged"):
            staging.load_staged(folder)
        (folder / name).write_bytes(whole)
    sound = {"files": [], "schema": 1, "snapshot": 1, "timestamp": ""}
    outside = {"role": "../../keys/latest", "sha256": "", "version": 1}
    for change in ({"schema": 2}, {"files": [{}]}, {"files": [outside]}, [], {}):
        plan = sound | change if change else change
        (folder / "plan.json").write_bytes(encode_canonical_json(plan))
        with case(plan), pytest.raises(HeningError):
            staging.load_staged(folder)


def test_audit_of_a_staged_tree(world, staged):
    """The staged tree passes the audit; a target that is not listed fails it."""
    audit(world, staged)
    with pytest.raises(TrustError, match=r"does not find armani/id/stable/none\.zip"):
        audit(world, staged, ["armani/id/stable/none.zip"])


def test_audit_reaches_the_newest_root(world, staged):
    """The audit must reach the expected root, and ignores later ones."""
    second = staged / "metadata" / "2.root.json"
    second.write_bytes(world.ceremony.root(2))
    audit(world, staged, newest_root=2)
    audit(world, staged, newest_root=1)
    second.rename(second.with_name("9.root.json"))
    with pytest.raises(TrustError, match="the audit reaches root 1, but root 2 is expected"):
        audit(world, staged, newest_root=2)


def test_audit_refuses_changed_files(world, staged):
    """The audit refuses a changed, missing or older file."""
    for name, older in (("3.latest", "2.latest"), ("4.snapshot", "3.snapshot")):
        path = staged / "metadata" / f"{name}.json"
        whole = path.read_bytes()
        replaced = (world.folder.public / "metadata" / f"{older}.json").read_bytes()
        changed = whole.replace(b'"version":', b'"version":1')
        for data in (changed, whole[:-2], replaced, b"{}", b"", None):
            path.unlink()
            if data is not None:
                path.write_bytes(data)
            with case(name, data), pytest.raises(TrustError, match="the staged tree failed"):
                audit(world, staged, ["latest/armani/id/stable"])
            path.write_bytes(whole)


def test_overtaken_publication_is_discarded(world, tmp_path):
    """A staged publication that is not newer than the public state is discarded."""
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
