"""The key process's record of the log, after restarts and interrupted writes."""

import json
import os

import pytest

from server.core.checkpoint import encode_leaf
from server.core.errors import FormatError, LogError
from server.core.tlog import CompactTree, leaf_hash
from server.keys import log_record as module
from server.keys.log_judgement import SignedLog
from server.keys.log_record import LogRecord
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion

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


def test_a_new_record(tmp_path):
    """It knows no log, and expects no leaves."""
    record = LogRecord(tmp_path)
    assert record.load() == log(0)
    assert record.leaves(0, 10) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_signed_is_remembered(tmp_path):
    """The tree, and the entries from any index on."""
    LogRecord(tmp_path).keep(log(3), ENTRIES[:3])
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
        patch.setattr(module, "write_durable", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            record.keep(log(5), ENTRIES[2:5])
    assert LogRecord(tmp_path).load() == log(2)
    assert LogRecord(tmp_path).leaves(0, 10) == ENTRIES[:2]
    record.keep(log(3), ENTRIES[2:3])
    assert record.leaves(0, 10) == ENTRIES[:3]


@pytest.mark.parametrize("length", [0, 100])
def test_entries_that_are_lost(tmp_path, length):
    """Then nothing is signed: a leaf could be logged twice."""
    record = LogRecord(tmp_path)
    record.keep(log(3), ENTRIES[:3])
    os.truncate(tmp_path / "leaves", length)
    if not length:
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
    monkeypatch.setattr(module, "MOST_EXPECTED", 3)
    record = LogRecord(tmp_path)
    for number in range(6):
        record.expect(publication("latest", number))
    assert record.load().expected == leaves("latest", 2, 3, 4, 5)
    for _ in range(2):
        record.expect(publication("latest", 5, 6, 7, 8, 9))
        assert record.load().expected == leaves("latest", 2, 3, 4, 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}\n", b'{"schema":2}\n', b"[]\n"),
        b'{"expected":[],"length":0,"schema":1,"size":3,"subtrees":[]}\n',
    ],
)
def test_a_damaged_record(tmp_path, content):
    """It is never treated as an empty one: that would sign a second history."""
    (tmp_path / "log.json").write_bytes(content)
    with pytest.raises(FormatError):
        LogRecord(tmp_path).load()


def test_its_form(tmp_path):
    """Canonical JSON, and the entries as they are."""
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
