"""What the key process remembers of the log, through restarts and cuts."""

import json

import pytest

from server.core.checkpoint import encode_leaf
from server.core.compact_tree import CompactTree
from server.core.errors import FormatError, LogError
from server.core.tlog import leaf_hash
from server.keys import log_record as module
from server.keys.log_judgement import SignedLog
from server.keys.log_record import LogRecord
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion

ENTRIES = [encode_leaf("latest", number, "0" * 64) for number in range(1, 10)]


def log(size, expected=()):
    """Return the log of the first entries."""
    return SignedLog(CompactTree().grow(map(leaf_hash, ENTRIES[:size])), tuple(expected))


def publication(*versions):
    """Return one of latest, in these versions, and a snapshot."""
    files = [RoleVersion("latest", version, b"%d" % version) for version in versions]
    return Publication((*files, RoleVersion("snapshot", 1, b"")), b"", 1)


def leaves(*versions):
    """Return the entries of a publication."""
    return tuple(encode_leaf(*leaf) for leaf in publication(*versions).leaves())


def test_a_new_record(tmp_path):
    """It knows no log, and expects nothing."""
    record = LogRecord(tmp_path)
    assert record.load() == log(0)
    assert record.leaves(0) == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_signed_is_remembered(tmp_path):
    """The tree, and the entries from any index on."""
    LogRecord(tmp_path).keep(log(3), ENTRIES[:3])
    LogRecord(tmp_path).keep(log(5, [ENTRIES[6]]), ENTRIES[3:5])
    record = LogRecord(tmp_path)
    assert record.load() == log(5, [ENTRIES[6]])
    assert [record.leaves(first) for first in (0, 4, 5)] == [ENTRIES[:5], ENTRIES[4:5], []]
    with pytest.raises(LogError, match="from 0 to 5"):
        record.leaves(6)


def test_a_log_that_was_signed_elsewhere(tmp_path):
    """Its leaves were not seen here; those that come after it are."""
    record = LogRecord(tmp_path)
    record.keep(log(2), ENTRIES[:2])
    record.keep(log(5), [])
    record.keep(log(6), ENTRIES[5:6])
    assert record.leaves(5) == ENTRIES[5:6]
    with pytest.raises(LogError, match="from 5 to 6"):
        record.leaves(4)


def test_a_cut_before_the_log_is_remembered(tmp_path, monkeypatch):
    """What was written of the entries counts for nothing, and is written over."""
    record = LogRecord(tmp_path)
    record.keep(log(2), ENTRIES[:2])
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_durable", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            record.keep(log(5), ENTRIES[2:5])
    assert LogRecord(tmp_path).load() == log(2)
    assert LogRecord(tmp_path).leaves(0) == ENTRIES[:2]
    record.keep(log(3), ENTRIES[2:3])
    assert record.leaves(0) == ENTRIES[:3]


def test_entries_that_are_lost(tmp_path):
    """They are said to be; the log goes on, and so does what is kept of it."""
    record = LogRecord(tmp_path)
    record.keep(log(3), ENTRIES[:3])
    (tmp_path / "leaves").unlink()
    with pytest.raises(LogError, match="the record has the leaves"):
        record.leaves(0)
    record.keep(log(4), ENTRIES[3:4])
    assert record.leaves(3) == ENTRIES[3:4]


def test_what_is_expected(tmp_path):
    """All but the snapshot, in order, each once, and nothing that is logged."""
    record = LogRecord(tmp_path)
    record.expect(publication(1, 2))
    record.expect(publication(2, 3))
    assert record.load().expected == leaves(1, 2, 3)
    tree = CompactTree().grow(map(leaf_hash, leaves(1, 2)))
    record.keep(SignedLog(tree, leaves(3)), leaves(1, 2))
    record.expect(publication(1, 4))
    assert record.load().expected == leaves(3, 4)


def test_what_is_expected_is_bounded(tmp_path, monkeypatch):
    """The oldest leave; a single publication may have more."""
    monkeypatch.setattr(module, "MOST_EXPECTED", 3)
    record = LogRecord(tmp_path)
    for number in range(5):
        record.expect(publication(number))
    assert record.load().expected == leaves(2, 3, 4)
    record.expect(publication(5, 6, 7, 8))
    assert record.load().expected == leaves(5, 6, 7, 8)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}\n", b'{"schema":2}\n', b"[]\n"),
        b'{"expected":[],"first":0,"length":0,"schema":1,"size":3,"subtrees":[]}\n',
    ],
)
def test_a_damaged_record(tmp_path, content):
    """Nothing is taken for an empty one: that would sign a second history."""
    (tmp_path / "log.json").write_bytes(content)
    with pytest.raises(FormatError):
        LogRecord(tmp_path).load()


def test_its_form(tmp_path):
    """Canonical JSON, and the entries as they are."""
    LogRecord(tmp_path).keep(log(3, ENTRIES[3:4]), ENTRIES[:3])
    assert json.loads((tmp_path / "log.json").read_bytes()) == {
        "expected": [ENTRIES[3].decode()],
        "first": 0,
        "length": sum(map(len, ENTRIES[:3])),
        "schema": 1,
        "size": 3,
        "subtrees": [root.hex() for root in log(3).tree.subtrees],
    }
    assert (tmp_path / "leaves").read_bytes() == b"".join(ENTRIES[:3])
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
