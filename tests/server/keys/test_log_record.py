"""Which checkpoints the key process signs, and its record of the log."""

import base64
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.core.checkpoint import encode_checkpoint, encode_leaf
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from server.core.tlog import CompactTree, leaf_hash, tree_hash
from server.keys import log_record
from server.keys.log_record import (
    LogRecord,
    SignedLog,
    UnexpectedLeafError,
    judge_checkpoint,
    judge_continuation,
)
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion
from tests.cases import case

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
KEY = VerifierKey("hening.example/log", PRIVATE.public_key().public_bytes_raw())
OTHER = VerifierKey("hening.example/log", bytes(31) + b"\x01")
ENTRIES = [encode_leaf("latest", number, "0" * 64) for number in range(1, 10)]
FOREIGN = encode_leaf("latest", 99, "f" * 64)


def text(entries, name=KEY.name):
    """Return the text of a checkpoint of these entries."""
    root = base64.b64encode(tree_hash(list(map(leaf_hash, entries)))).decode()
    return f"{name}\n{len(entries)}\n{root}\n".encode()


def note(entries):
    """Return the signed checkpoint of these entries."""
    root = tree_hash(list(map(leaf_hash, entries)))
    return encode_checkpoint(len(entries), root, KEY, PRIVATE.sign)


def log(size, expected=ENTRIES):
    """Return a signed log of the first `size` entries that expects `expected`."""
    return SignedLog(CompactTree().grow(map(leaf_hash, ENTRIES[:size])), tuple(expected))


def consistency(old, new, entries=ENTRIES):
    """Return PROOF(old, D[new]), computed by the definition in RFC 6962 section 2.1.2."""

    def subproof(m, part, whole):
        if m == len(part):
            return [] if whole else [tree_hash(part)]
        k = 1 << (len(part) - 1).bit_length() - 1
        if m <= k:
            return [*subproof(m, part[:k], whole), tree_hash(part[k:])]
        return [*subproof(m - k, part[k:], False), tree_hash(part[:k])]

    return subproof(old, list(map(leaf_hash, entries[:new])), True)


def test_checkpoints_of_one_history():
    """A log that grows by expected leaves is signed; an older size is signed again with a proof."""
    for new in range(1, 10):
        for old in range(9):
            with case(old, new):
                proof = consistency(new, old) if new <= old else []
                grown = judge_checkpoint(
                    text(ENTRIES[:new]), KEY, log(old), ENTRIES[old:new], proof
                )
                assert grown == log(
                    max(old, new), [e for e in ENTRIES if e not in ENTRIES[old:new]]
                )


def test_second_history_is_refused():
    """A checkpoint with another leaf below the signed size is refused, whatever the proof."""
    for new in range(1, 10):
        for old in range(1, 9):
            with case(old, new):
                other = (FOREIGN, *ENTRIES[1:])
                for entries in (ENTRIES, other):
                    proof = consistency(min(old, new), max(old, new), entries)
                    with pytest.raises(LogError, match="are not of one history"):
                        judge_checkpoint(text(other[:new]), KEY, log(old), other[old:new], proof)


def test_unexpected_leaf_is_refused():
    """A leaf of no publication signed here, or one already logged, is refused."""
    third = ENTRIES[3]
    for leaves in (
        *([FOREIGN], [third, FOREIGN], [third, third], [ENTRIES[0]], [b"made up"]),
        [b"\xff" * 160],
    ):
        entries, expected = (
            [*ENTRIES[:3], *leaves],
            "belongs to no publication that was signed here",
        )
        with case(leaves), pytest.raises(UnexpectedLeafError, match=expected):
            judge_checkpoint(text(entries), KEY, log(3, ENTRIES[3:]), leaves, [])


def test_expected_leaves_after_a_crash():
    """Expected leaves may be logged in any order after a crash, but each only once."""
    crashed, second, third = ENTRIES[3:6]
    both = judge_checkpoint(text(ENTRIES[:5]), KEY, log(3, ENTRIES[3:6]), [crashed, second], [])
    assert both.expected == (third,)
    entries = [*ENTRIES[:3], third]
    passed = judge_checkpoint(text(entries), KEY, log(3, ENTRIES[3:6]), [third], [])
    assert passed.expected == (crashed, second)
    later = judge_checkpoint(text([*entries, crashed]), KEY, passed, [crashed], [])
    assert later.expected == (second,)


def test_leaves_must_lead_to_the_checkpoint():
    """A checkpoint whose size or root does not follow from the leaves is refused."""
    for leaves in (ENTRIES[3:4], ENTRIES[3:6], ()):
        with case(leaves), pytest.raises(LogError, match="are not of one history"):
            judge_checkpoint(text(ENTRIES[:5]), KEY, log(3), leaves, consistency(3, 5))


def test_only_checkpoints_of_this_log_are_signed():
    """The log's key signs only checkpoints of its own log."""
    good = text(ENTRIES[:5])
    for data, error in (
        (text(ENTRIES[:5], "other.example/log"), LogError),
        (text([]), LogError),
        *((good + b"more\n", FormatError), (good[:-1], FormatError)),
        *((b"\xff\n5\n\n", FormatError), (b"hening role v1\n", FormatError)),
        (good.replace(b"\n5\n", b"\n05\n"), FormatError),
    ):
        with case(data), pytest.raises(error):
            judge_checkpoint(data, KEY, log(0), ENTRIES[:5], [])


@given(st.integers(1, 12), st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=30))
def test_no_sequence_of_requests_signs_two_histories(common, requests):
    """Of two diverging logs, only one is signed beyond their common part."""

    def entry(name, number):
        return encode_leaf("latest", number + 1, name * 64)

    trunk = [entry("0", number) for number in range(common)]
    logs = [trunk + [entry(name, common + n) for n in range(20)] for name in "ab"]
    kept = SignedLog(CompactTree(), (*trunk, *logs[0][common:], *logs[1][common:]))
    signed = set()
    for which, size in requests:
        entries, old = logs[which], kept.tree.size
        proof = consistency(size, old, entries) if size <= old else []
        try:
            kept = judge_checkpoint(text(entries[:size]), KEY, kept, entries[old:size], proof)
        except LogError:
            continue
        if size > common:
            signed.add(which)
    assert len(signed) <= 1


def test_log_signed_by_a_known_key_is_followed():
    """A record follows a log that one of its keys has signed; logged leaves are not expected."""
    for old in range(8):
        left = [entry for entry in ENTRIES if entry not in ENTRIES[old:8]]
        for keys in ([KEY], [OTHER, KEY], [KEY, OTHER]):
            found = judge_continuation(note(ENTRIES[:8]), keys, log(old), ENTRIES[old:8])
            assert found == log(8, left)


def test_unsigned_or_diverging_log_is_not_followed():
    """A log that is unsigned, of another history, or not longer is not followed."""
    for changes, error in (
        ({"note": note(ENTRIES[:3]), "leaves": []}, "are not of one history"),
        ({"note": note((FOREIGN, *ENTRIES[1:8]))}, "are not of one history"),
        ({"note": note((*ENTRIES[:7], FOREIGN))}, "are not of one history"),
        ({"leaves": ENTRIES[3:7]}, "are not of one history"),
        ({"keys": [OTHER]}, "is not signed by"),
        ({"keys": [OTHER, OTHER]}, "is not signed by"),
        ({"note": note((*ENTRIES[:3], b"no leaf")), "leaves": [b"no leaf"]}, "four lines"),
    ):
        given = {"note": note(ENTRIES[:8]), "keys": [KEY], "log": log(3), "leaves": ENTRIES[3:8]}
        with case(changes), pytest.raises((FormatError, LogError), match=error):
            judge_continuation(**(given | changes))


def publication(role, *versions, data=b"data"):
    """Return a publication of a role in these versions, and of a snapshot."""
    files = [RoleVersion(role, version, data) for version in versions]
    return Publication((*files, RoleVersion("snapshot", 1, b"")), b"", 1)


def leaves(role, *versions, data=b"data"):
    """Return the log entries of a publication."""
    files = publication(role, *versions, data=data)
    return tuple(encode_leaf(*leaf) for leaf in files.leaves())


def test_record_keeps_signed_leaves(tmp_path):
    """The record has the tree and all entries; a new record is empty."""
    record = LogRecord(tmp_path)
    assert record.load() == log(0, [])
    assert record.leaves(0, 10) == []
    assert list(tmp_path.iterdir()) == []
    record.keep(log(3, []), ENTRIES[:3])
    LogRecord(tmp_path).keep(log(5, [ENTRIES[6]]), ENTRIES[3:5])
    record = LogRecord(tmp_path)
    assert record.load() == log(5, [ENTRIES[6]])
    for first in range(7):
        assert record.leaves(first, 10) == ENTRIES[first:5]
    assert record.leaves(1, 2) == ENTRIES[1:3]


def test_crash_before_the_record_is_written(tmp_path, monkeypatch):
    """Entries written before an interruption do not count, and are overwritten."""
    record = LogRecord(tmp_path)
    record.keep(log(2, []), ENTRIES[:2])
    with monkeypatch.context() as patch:
        patch.setattr(log_record, "write_durable", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            record.keep(log(5, []), ENTRIES[2:5])
    assert LogRecord(tmp_path).load() == log(2, [])
    assert LogRecord(tmp_path).leaves(0, 10) == ENTRIES[:2]
    record.keep(log(3, []), ENTRIES[2:3])
    assert record.leaves(0, 10) == ENTRIES[:3]


def test_lost_entries(tmp_path):
    """If entries are lost, the record cannot be loaded, so that no leaf is logged twice."""
    record = LogRecord(tmp_path)
    record.keep(log(3, []), ENTRIES[:3])
    os.truncate(tmp_path / "leaves", 100)
    with pytest.raises(FormatError, match="see docs/how-to/lost-leaves"):
        record.load()
    (tmp_path / "leaves").unlink()
    with pytest.raises(FormatError, match="see docs/how-to/lost-leaves"):
        record.load()


def test_expected_leaves(tmp_path):
    """All roles of publications except snapshots are expected once, unless already logged."""
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


def test_expected_version_with_other_bytes(tmp_path):
    """Other bytes replace an expected version, and are refused once it is logged."""
    record = LogRecord(tmp_path)
    record.expect(publication("armani", 1, 2))
    record.expect(publication("armani", 1, data=b"other"))
    other = leaves("armani", 1, data=b"other")
    assert record.load().expected == (*leaves("armani", 2), *other)
    record.keep(SignedLog(CompactTree().grow(map(leaf_hash, other)), ()), other)
    with pytest.raises(LogError, match="armani 1 is in the log with other bytes"):
        record.expect(publication("armani", 1))
    assert record.load().expected == ()


def test_expected_leaves_are_limited(tmp_path, monkeypatch):
    """The number of expected leaves is limited; those of the newest publication stay."""
    monkeypatch.setattr(log_record, "MAX_EXPECTED", 3)
    record = LogRecord(tmp_path)
    for number in range(6):
        record.expect(publication("latest", number))
    assert record.load().expected == leaves("latest", 2, 3, 4, 5)
    for _ in range(2):
        record.expect(publication("latest", 5, 6, 7, 8, 9))
        assert record.load().expected == leaves("latest", 2, 3, 4, 5, 6, 7, 8, 9)


def test_format_of_the_log_record(tmp_path):
    """The record is canonical JSON beside the raw entries, with mode 0600.

    A damaged record is refused: treating it as empty would allow a second history.
    """
    LogRecord(tmp_path).keep(log(3, ENTRIES[3:4]), ENTRIES[:3])
    assert json.loads((tmp_path / "log.json").read_bytes()) == {
        "expected": [ENTRIES[3].decode()],
        "length": sum(map(len, ENTRIES[:3])),
        "schema": 1,
        "size": 3,
        "subtrees": [root.hex() for root in log(3, []).tree.subtrees],
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
