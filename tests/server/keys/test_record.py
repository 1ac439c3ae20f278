"""The key process's record, across restarts and interrupted writes."""

import contextlib
import dataclasses
import hashlib
import json
import stat

import pytest

from server.core.checkpoint import encode_leaf
from server.core.errors import FormatError, ProfileError, TrustError
from server.keys import record as module
from server.keys.record import open_record
from server.publisher.plan import Publication, plan_publication
from server.storage.errors import StorageError
from tests.cases import case
from tests.server.keys.process import public_roles


@pytest.fixture
def root(world):
    """Return the pinned root."""
    return world.folder.trusted_root.read_bytes()


@pytest.fixture
def kept(root, tmp_path):
    """Return a context manager that opens the record, as after a restart."""

    @contextlib.contextmanager
    def opened():
        with contextlib.closing(open_record(tmp_path / "record", root)) as record:
            yield record

    return opened


def plan(world, number=0):
    """Plan a publication whose versions are `number` + 11."""
    published = world.published()
    used = dict.fromkeys(("latest", "snapshot", "timestamp"), number + 10)
    return plan_publication(
        *(published, published, [], published.pointers(), world.keys, world.now()),
        renew=True,
        used=used,
    )


def digest(publication):
    """Return the digest with which the publisher names the public state."""
    files = {file.role: file.data for file in publication.files}
    signed = (publication.timestamp, files["snapshot"], files["latest"])
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in signed)).hexdigest()


def test_new_record(kept, root, tmp_path):
    """A new record has only the pinned root, and is private to its owner."""
    with kept() as record:
        assert record.pinned() == root
        assert (record.published(), record.signed()) == (None, {})
        assert record.settle("", 1)
        assert not record.settle("0" * 64, 1)
    assert stat.S_IMODE((tmp_path / "record").stat().st_mode) == 0o700


def test_signed_versions_are_recorded(world, kept):
    """The record remembers the highest signed versions and expected leaves."""
    first, second = plan(world), plan(world, 1)
    with kept() as record:
        record.keep(second)
    with kept() as record:
        assert record.signed() == {"latest": 12, "snapshot": 12, "timestamp": 12}
        record.keep(first)
        assert record.signed() == {"latest": 12, "snapshot": 12, "timestamp": 12}
    with kept() as record:
        expected = [leaf for each in (second, first) for leaf in each.leaves()]
        assert record.log.load().expected == tuple(encode_leaf(*leaf) for leaf in expected)


def adopted(world, record):
    """Give the record the public state."""
    *files, timestamp = public_roles(world)
    snapshot = world.published().snapshot.version
    record.adopt(Publication(tuple(files), timestamp.data, snapshot), 5)


def test_signed_publication_becomes_public(world, kept):
    """A signed publication counts as public once the publisher reports it.

    The files that it replaces are then removed.
    """
    publication = plan(world)
    with kept() as record:
        adopted(world, record)
        before = record.published()
        record.keep(publication)
        assert record.published() == before
        assert record.settle(digest(publication), 7)
        assert record.published().timestamp.version == 11
        assert record.published().roles["latest"].version == 11
        assert record.settle(digest(publication), 8)
    with kept() as record:
        names = {path.name for path in (record._public / "metadata").iterdir()}
        assert {"11.latest.json", "11.snapshot.json", "timestamp.json", "1.root.json"} <= names
        assert not any(name.endswith("latest.json") for name in names - {"11.latest.json"})


def test_unpublished_publication_is_replaced(world, kept):
    """A second publication replaces one that did not become public."""
    first, second = plan(world), plan(world, 1)
    with kept() as record:
        adopted(world, record)
        record.keep(first)
        record.keep(second)
        assert not record.settle(digest(first), 7)
        assert record.settle(digest(second), 7)


def test_equal_timestamp_of_another_key_process(world, kept):
    """A publication of another key process with an equal timestamp is not taken for this one's."""
    publication = plan(world)
    files = [
        dataclasses.replace(file, data=b"other") if file.role == "latest" else file
        for file in publication.files
    ]
    with kept() as record:
        adopted(world, record)
        record.keep(publication)
        assert not record.settle(digest(dataclasses.replace(publication, files=files)), 7)
        assert record.settle(digest(publication), 7)


class CutError(BaseException):
    """Simulates a power cut."""


def test_adopted_state_replaces_a_pending_publication(world, kept):
    """After another public state was adopted, an older pending publication stays unpublished."""
    publication = plan(world)
    with kept() as record:
        record.keep(publication)
        adopted(world, record)
        assert not record.settle(digest(publication), 6)
        assert record.published().timestamp.version == world.published().timestamp.version


def test_damaged_pending_publication(world, kept, tmp_path):
    """A damaged pending publication is discarded; the publisher sends the public state."""
    publication = plan(world)
    with kept() as record:
        record.keep(publication)
        (tmp_path / "record" / "pending" / "plan.json").write_bytes(b"{")
        assert not record.settle(digest(publication), 6)
        assert record.settle("", 6)


STEPS = [
    (module, "write_durable"),
    (module.staging, "write_staged"),
    (module.staging, "showing_files"),
    (module, "discard_folder"),
    (module, "move_durable"),
    (module.LocalTree, "replace"),
]


@pytest.mark.parametrize("cut_at", range(1, 8))
def test_crash_at_any_step(world, kept, monkeypatch, cut_at):
    """After an interruption at any step, signed versions are recorded and work can continue."""
    publication, steps = plan(world), []

    def cutting(function):
        def counted(*args, **kwargs):
            steps.append(function.__name__)
            if len(steps) == cut_at:
                raise CutError
            return function(*args, **kwargs)

        return counted

    with kept() as record:
        adopted(world, record)
        record.keep(plan(world, -5))
    with monkeypatch.context() as patch, kept() as record:
        for holder, name in STEPS:
            patch.setattr(holder, name, cutting(getattr(holder, name)))
        with pytest.raises(CutError):
            record.keep(publication) or record.settle(digest(publication), 7)
    assert (
        steps
        == [
            *("write_durable", "discard_folder", "write_staged", "move_durable"),
            *("showing_files", "replace", "discard_folder"),
        ][:cut_at]
    )
    with kept() as record:
        assert record.signed()["timestamp"] == (6 if cut_at == 1 else 11)
        assert record.settle(digest(publication), 7) == (cut_at > 4)
        assert record.published() is not None
        again = plan(world, 3)
        record.keep(again)
        assert record.settle(digest(again), 7)
        assert record.published().timestamp.version == 14


def test_record_is_locked_and_private(kept, tmp_path, root):
    """Only one process can open a record, and a record that others can read is refused."""
    with kept(), pytest.raises(StorageError, match="another key process has"):
        open_record(tmp_path / "record", root)
    (tmp_path / "record").chmod(0o755)
    with pytest.raises(StorageError, match="chmod 700"):
        open_record(tmp_path / "record", root)


def test_pinned_root_cannot_change(world, kept, tmp_path):
    """A later start needs no root, and cannot pin another one."""
    with pytest.raises(StorageError, match="start with --root once"):
        open_record(tmp_path / "record", None)
    with kept():
        pass
    open_record(tmp_path / "record", None).close()
    with pytest.raises(FormatError, match="another root is pinned"):
        open_record(tmp_path / "record", world.ceremony.root(version=2))


def test_invalid_root_is_not_pinned(world, tmp_path):
    """An invalid root is not pinned."""
    loose = world.ceremony.root(consistent_snapshot=False)
    with pytest.raises(ProfileError):
        open_record(tmp_path / "record", loose)
    weak = world.ceremony.sign("root", world.published().root, world.ceremony.keys["root"][:1])
    with pytest.raises(TrustError):
        open_record(tmp_path / "record", weak)
    assert not (tmp_path / "record" / "root.json").exists()


def test_format_of_the_record(world, kept, tmp_path):
    """The record is canonical JSON with versions by role.

    A damaged record is refused: treating it as empty would sign versions again.
    """
    file = tmp_path / "record" / "signed.json"
    with kept() as record:
        record.keep(plan(world))
        assert json.loads(file.read_bytes()) == {
            "schema": 1,
            "versions": {"latest": 11, "snapshot": 11, "timestamp": 11},
        }
        for content in (b"", b"{}\n", b'{"schema":2}\n', b"[]\n"):
            file.write_bytes(content)
            with case(content), pytest.raises(FormatError):
                record.signed()
