"""The key process's record and its log, after restarts and interrupted writes."""

import contextlib
import dataclasses
import hashlib
import json
import os
import stat

import pytest

from server.core.checkpoint import encode_leaf
from server.core.errors import FormatError, LogError, ProfileError, TrustError
from server.core.tlog import CompactTree, leaf_hash
from server.keys import log_record
from server.keys import record as module
from server.keys.log_judgement import SignedLog
from server.keys.log_record import LogRecord
from server.keys.record import open_record
from server.publisher.plan import Publication, plan_publication
from server.publisher.verify import RoleVersion
from server.storage.errors import StorageError
from tests.cases import case


@pytest.fixture
def root(world):
    """Return the pinned root."""
    return world.folder.trusted_root.read_bytes()


@pytest.fixture
def kept(root, tmp_path):
    """Return a function that opens the record again, as after a restart."""

    @contextlib.contextmanager
    def opened():
        with contextlib.closing(open_record(tmp_path / "record", root)) as record:
            yield record

    return opened


def plan(world, number=0):
    """Plan a publication whose versions are this far above the public ones."""
    published = world.published()
    used = dict.fromkeys(("latest", "snapshot", "timestamp"), number + 10)
    return plan_publication(
        *(published, published, [], published.pointers(), world.keys, world.now()),
        renew=True,
        used=used,
    )


def digest(publication):
    """Return the publisher's claim of what is public."""
    files = {file.role: file.data for file in publication.files}
    signed = (publication.timestamp, files["snapshot"], files["latest"])
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in signed)).hexdigest()


def test_a_new_record(kept, root, tmp_path):
    """It contains the pinned root alone, and is private to its owner."""
    with kept() as record:
        assert record.pinned() == root
        assert (record.published(), record.signed()) == (None, {})
        assert record.settle("", 1)
        assert not record.settle("0" * 64, 1)
    assert stat.S_IMODE((tmp_path / "record").stat().st_mode) == 0o700


def test_what_was_signed_is_remembered(world, kept):
    """Versions only increase; files of the record are 0600."""
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
    """Give a record the public state."""
    metadata = world.folder.public / "metadata"
    published = world.published()
    versions = {**published.versions(), "snapshot": published.snapshot.version, "root": 1}
    files = tuple(
        module.staging.RoleVersion(r, v, (metadata / f"{v}.{r}.json").read_bytes())
        for r, v in versions.items()
    )
    data = (metadata / "timestamp.json").read_bytes()
    record.adopt(module.Publication(files, data, published.snapshot.version), 5)


def test_what_was_signed_becomes_public(world, kept):
    """When the publisher reports it; then the replaced files are removed."""
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


def test_what_did_not_become_public_is_replaced(world, kept):
    """A publication planned again replaces one that was not accepted."""
    first, second = plan(world), plan(world, 1)
    with kept() as record:
        adopted(world, record)
        record.keep(first)
        record.keep(second)
        assert not record.settle(digest(first), 7)
        assert record.settle(digest(second), 7)


def test_another_key_process_signed_the_same_timestamp(world, kept):
    """For another version's file of the same name: what was signed here is not public."""
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
    """A power cut."""


def test_what_became_public_elsewhere(world, kept):
    """An earlier publication that was signed but not public does not become public any more."""
    publication = plan(world)
    with kept() as record:
        record.keep(publication)
        adopted(world, record)
        assert not record.settle(digest(publication), 6)
        assert record.published().timestamp.version == world.published().timestamp.version


def test_what_was_signed_last_is_damaged(world, kept, tmp_path):
    """It is discarded: the public state comes from the publisher."""
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
def test_a_cut_at_any_step(world, kept, monkeypatch, cut_at):
    """Versions of signatures that may have left are on disk; any step can be resumed."""
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


def test_one_process_at_a_time(kept, tmp_path, root):
    """Two would each keep a history of their own; a record that others may read is refused."""
    with kept(), pytest.raises(StorageError, match="another key process has"):
        open_record(tmp_path / "record", root)
    (tmp_path / "record").chmod(0o755)
    with pytest.raises(StorageError, match="chmod 700"):
        open_record(tmp_path / "record", root)


def test_the_pinned_root_stays(world, kept, tmp_path):
    """A later start need not name it, and cannot name another."""
    with pytest.raises(StorageError, match="start with --root once"):
        open_record(tmp_path / "record", None)
    with kept():
        pass
    open_record(tmp_path / "record", None).close()
    with pytest.raises(FormatError, match="another root is pinned"):
        open_record(tmp_path / "record", world.ceremony.root(version=2))


def test_a_root_that_is_not_sound(world, tmp_path):
    """It is not pinned."""
    loose = world.ceremony.root(consistent_snapshot=False)
    with pytest.raises(ProfileError):
        open_record(tmp_path / "record", loose)
    weak = world.ceremony.sign("root", world.published().root, world.ceremony.keys["root"][:1])
    with pytest.raises(TrustError):
        open_record(tmp_path / "record", weak)
    assert not (tmp_path / "record" / "root.json").exists()


def test_the_form_of_the_record(world, kept, tmp_path):
    """Versions by role, in canonical JSON.

    A damaged record is never treated as an empty one: that would sign versions again.
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


ENTRIES = [encode_leaf("latest", number, "0" * 64) for number in range(1, 10)]


def log(size, expected=()):
    """Return the log of the first entries."""
    return SignedLog(CompactTree().grow(map(leaf_hash, ENTRIES[:size])), tuple(expected))


def publication(role, *versions, data=b"data"):
    """Return a publication of one role in these versions, and a snapshot."""
    files = [RoleVersion(role, version, data) for version in versions]
    return Publication((*files, RoleVersion("snapshot", 1, b"")), b"", 1)


def leaves(role, *versions, data=b"data"):
    """Return the entries of a publication."""
    files = publication(role, *versions, data=data)
    return tuple(encode_leaf(*leaf) for leaf in files.leaves())


def test_signed_leaves_are_remembered(tmp_path):
    """The tree, and the entries from any index on; a new record has neither."""
    record = LogRecord(tmp_path)
    assert record.load() == log(0)
    assert record.leaves(0, 10) == []
    assert list(tmp_path.iterdir()) == []
    record.keep(log(3), ENTRIES[:3])
    LogRecord(tmp_path).keep(log(5, [ENTRIES[6]]), ENTRIES[3:5])
    record = LogRecord(tmp_path)
    assert record.load() == log(5, [ENTRIES[6]])
    for first in range(7):
        assert record.leaves(first, 10) == ENTRIES[first:5]
    assert record.leaves(1, 2) == ENTRIES[1:3]


def test_a_cut_before_the_log_is_remembered(tmp_path, monkeypatch):
    """Partly written entries do not count, and are overwritten."""
    record = LogRecord(tmp_path)
    record.keep(log(2), ENTRIES[:2])
    with monkeypatch.context() as patch:
        patch.setattr(log_record, "write_durable", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            record.keep(log(5), ENTRIES[2:5])
    assert LogRecord(tmp_path).load() == log(2)
    assert LogRecord(tmp_path).leaves(0, 10) == ENTRIES[:2]
    record.keep(log(3), ENTRIES[2:3])
    assert record.leaves(0, 10) == ENTRIES[:3]


def test_entries_that_are_lost(tmp_path):
    """Then nothing is signed: a leaf could be logged twice."""
    record = LogRecord(tmp_path)
    record.keep(log(3), ENTRIES[:3])
    os.truncate(tmp_path / "leaves", 100)
    with pytest.raises(FormatError, match="see docs/how-to/lost-leaves"):
        record.load()
    (tmp_path / "leaves").unlink()
    with pytest.raises(FormatError, match="see docs/how-to/lost-leaves"):
        record.load()


def test_what_is_expected(tmp_path):
    """All roles except the snapshot, each once, the newest last, and no logged ones."""
    record = LogRecord(tmp_path)
    record.expect(publication("latest", 1, 2))
    record.expect(publication("armani", 1, 2))
    record.expect(publication("latest", 2, 3))
    expected = *leaves("latest", 1), *leaves("armani", 1, 2), *leaves("latest", 2, 3)
    assert record.load().expected == expected
    logged = leaves("armani", 1)
    record.keep(SignedLog(CompactTree().grow(map(leaf_hash, logged)), ()), logged)
    record.expect(publication("armani", 1, 4))
    assert record.load().expected == leaves("armani", 4)


def test_a_version_with_other_bytes(tmp_path):
    """It replaces the expected one, and is refused once that is logged."""
    record = LogRecord(tmp_path)
    record.expect(publication("armani", 1, 2))
    record.expect(publication("armani", 1, data=b"other"))
    other = leaves("armani", 1, data=b"other")
    assert record.load().expected == (*leaves("armani", 2), *other)
    record.keep(SignedLog(CompactTree().grow(map(leaf_hash, other)), ()), other)
    with pytest.raises(LogError, match="armani 1 is in the log with other bytes"):
        record.expect(publication("armani", 1))
    assert record.load().expected == ()


def test_what_is_expected_is_bounded(tmp_path, monkeypatch):
    """The oldest leave, and never those of the newest publication."""
    monkeypatch.setattr(log_record, "MOST_EXPECTED", 3)
    record = LogRecord(tmp_path)
    for number in range(6):
        record.expect(publication("latest", number))
    assert record.load().expected == leaves("latest", 2, 3, 4, 5)
    for _ in range(2):
        record.expect(publication("latest", 5, 6, 7, 8, 9))
        assert record.load().expected == leaves("latest", 2, 3, 4, 5, 6, 7, 8, 9)


def test_its_form(tmp_path):
    """Canonical JSON, and the entries as they are.

    A damaged log is never treated as an empty one: that would sign a second history.
    """
    LogRecord(tmp_path).keep(log(3, ENTRIES[3:4]), ENTRIES[:3])
    assert json.loads((tmp_path / "log.json").read_bytes()) == {
        "expected": [ENTRIES[3].decode()],
        "length": sum(map(len, ENTRIES[:3])),
        "schema": 1,
        "size": 3,
        "subtrees": [root.hex() for root in log(3).tree.subtrees],
    }
    assert (tmp_path / "leaves").read_bytes() == b"".join(ENTRIES[:3])
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    for content in (
        *(b"", b"{}\n", b'{"schema":2}\n', b"[]\n"),
        b'{"expected":[],"length":0,"schema":1,"size":3,"subtrees":[]}\n',
    ):
        (tmp_path / "log.json").write_bytes(content)
        with case(content), pytest.raises(FormatError):
            LogRecord(tmp_path).load()
