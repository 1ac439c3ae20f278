"""Which checkpoints the key process signs, and which new leaves it accepts in them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.core.checkpoint import encode_checkpoint, encode_leaf
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from server.core.tlog import CompactTree, leaf_hash, tree_hash
from server.keys.log_judgement import (
    SignedLog,
    UnexpectedLeafError,
    judge_checkpoint,
    judge_continuation,
)
from tests.cases import case

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
KEY = VerifierKey("hening.example/log", PRIVATE.public_key().public_bytes_raw())
OTHER = VerifierKey("hening.example/log", bytes(31) + b"\x01")
ENTRIES = tuple(encode_leaf("latest", number, "0" * 64) for number in range(1, 10))
FOREIGN = encode_leaf("latest", 99, "f" * 64)


def text(entries, name=KEY.name):
    """Return the text of the checkpoint of some entries."""
    root = base64.b64encode(tree_hash(list(map(leaf_hash, entries)))).decode()
    return f"{name}\n{len(entries)}\n{root}\n".encode()


def note(entries):
    """Return the signed checkpoint of some entries."""
    root = tree_hash(list(map(leaf_hash, entries)))
    return encode_checkpoint(len(entries), root, KEY, PRIVATE.sign)


def log(size, expected=ENTRIES):
    """Return the record of a log with this many entries."""
    return SignedLog(CompactTree().grow(map(leaf_hash, ENTRIES[:size])), tuple(expected))


def consistency(old, new, entries=ENTRIES):
    """Return PROOF(old, D[new]) by its definition in RFC 6962 section 2.1.2."""

    def subproof(m, part, whole):
        if m == len(part):
            return [] if whole else [tree_hash(part)]
        k = 1 << (len(part) - 1).bit_length() - 1
        if m <= k:
            return [*subproof(m, part[:k], whole), tree_hash(part[k:])]
        return [*subproof(m - k, part[k:], False), tree_hash(part[:k])]

    return subproof(old, list(map(leaf_hash, entries[:new])), True)


def test_one_history():
    """A larger log of expected leaves is signed and recorded; a smaller one is signed again."""
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


def test_a_second_history():
    """Another leaf among those that both have: no proof makes up for that."""
    for new in range(1, 10):
        for old in range(1, 9):
            with case(old, new):
                other = (FOREIGN, *ENTRIES[1:])
                for entries in (ENTRIES, other):
                    proof = consistency(min(old, new), max(old, new), entries)
                    with pytest.raises(LogError, match="are not of one history"):
                        judge_checkpoint(text(other[:new]), KEY, log(old), other[old:new], proof)


def test_a_leaf_that_is_not_expected():
    """Of no publication of this process, or logged already."""
    third = ENTRIES[3]
    for leaves in (
        *([FOREIGN], [third, FOREIGN], [third, third], [ENTRIES[0]], [b"made up"]),
        [b"\xff" * 160],
    ):
        entries, expected = [*ENTRIES[:3], *leaves], "is of no publication that was signed here"
        with case(leaves), pytest.raises(UnexpectedLeafError, match=expected):
            judge_checkpoint(text(entries), KEY, log(3, ENTRIES[3:]), leaves, [])


def test_what_a_crash_cut_off():
    """It may be logged in any order, together with later leaves or alone, but only once."""
    crashed, second, third = ENTRIES[3:6]
    both = judge_checkpoint(text(ENTRIES[:5]), KEY, log(3, ENTRIES[3:6]), [crashed, second], [])
    assert both.expected == (third,)
    entries = [*ENTRIES[:3], third]
    passed = judge_checkpoint(text(entries), KEY, log(3, ENTRIES[3:6]), [third], [])
    assert passed.expected == (crashed, second)
    later = judge_checkpoint(text([*entries, crashed]), KEY, passed, [crashed], [])
    assert later.expected == (second,)


def test_leaves_that_do_not_lead_to_the_checkpoint():
    """Its size and root are computed from the leaves."""
    for leaves in (ENTRIES[3:4], ENTRIES[3:6], ()):
        with case(leaves), pytest.raises(LogError, match="are not of one history"):
            judge_checkpoint(text(ENTRIES[:5]), KEY, log(3), leaves, consistency(3, 5))


def test_a_text_that_is_no_checkpoint_of_this_log():
    """The log's key signs checkpoints of its own log and no other bytes."""
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
def test_no_order_of_requests_leads_to_two_histories(common, requests):
    """Two logs of expected leaves that diverge: only one log's further leaves are signed."""

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


def test_a_log_that_the_key_has_signed_already():
    """A new or older record follows it; expected leaves stay, except for logged ones."""
    for old in range(8):
        left = [entry for entry in ENTRIES if entry not in ENTRIES[old:8]]
        for keys in ([KEY], [OTHER, KEY], [KEY, OTHER]):
            found = judge_continuation(note(ENTRIES[:8]), keys, log(old), ENTRIES[old:8])
            assert found == log(8, left)


def test_a_log_that_is_not_followed():
    """Unsigned, of another history, or no longer than the known one."""
    for changes, error in (
        ({"note": note(ENTRIES[:3]), "leaves": []}, "are not of one history"),
        ({"note": note((FOREIGN, *ENTRIES[1:8]))}, "are not of one history"),
        ({"note": note((*ENTRIES[:7], FOREIGN))}, "are not of one history"),
        ({"leaves": ENTRIES[3:7]}, "are not of one history"),
        ({"keys": [OTHER]}, "is not signed by"),
        ({"keys": [OTHER, OTHER]}, "is not signed by"),
        ({"note": note((*ENTRIES[:3], b"no leaf")), "leaves": [b"no leaf"]}, "four lines"),
    ):
        asked = {"note": note(ENTRIES[:8]), "keys": [KEY], "log": log(3), "leaves": ENTRIES[3:8]}
        with case(changes), pytest.raises((FormatError, LogError), match=error):
            judge_continuation(**(asked | changes))
