import base64
import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from server.core.checkpoint import (
    Checkpoint,
    Proof,
    decode_checkpoint,
    decode_leaf,
    decode_proof,
    encode_checkpoint,
    encode_leaf,
    encode_proof,
    verify_proof,
)
from server.core.errors import FormatError, HeningError, LogError
from server.core.note import VerifierKey, encode_note
from server.core.tiles import GrowingTree
from server.core.tlog import leaf_hash, tree_hash
from tests.cases import refuse_each
from tests.strategies import hashes, integers

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.hening.test/main", SEED.public_key().public_bytes_raw())
ROOT = bytes(range(32))
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
ENTRIES = [encode_leaf("armani", version, ABC) for version in range(1, 8)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
HEAD = encode_checkpoint(7, tree_hash(LEAVES), KEY, SEED.sign)
TREE = GrowingTree(0, {}.__getitem__)
for leaf in LEAVES:
    TREE.append(leaf)
PROOF = encode_proof(2, TREE.inclusion_proof(2), HEAD)


def test_leaf_encoding():
    """A leaf's bytes are those of FORMATS section 7, and each value has one encoding.

    Line breaks, other numbers and other hashes are refused.
    """
    entry = f"hening role v1\narmani\n12\n{ABC}\n".encode()
    assert encode_leaf("armani", 12, ABC) == entry
    assert decode_leaf(entry) == ("armani", 12, ABC)
    bad = [
        *(("armani\n1", 1, ABC), ("", 1, ABC), ("Armani", 1, ABC), ("armani", -1, ABC)),
        *(("armani", True, ABC), ("armani", 1.0, ABC), ("armani", 2**53, ABC)),
        *(("armani", 1, ABC.upper()), ("armani", 1, ABC + "\n"), ("armani", 1, "")),
    ]
    refuse_each(FormatError, lambda leaf: encode_leaf(*leaf), bad)
    changes = [
        *((b"v1", b"v2"), (b"armani", b"Armani"), (b"\n12\n", b"\n012\n"), (b"ad\n", b"ad")),
        *((b"\n12\n", b"\n 1_2\n"), (b"\n12\n", b"\n\n"), (b"ba78", b"BA78")),
        *((b"ad\n", b"ad\n\n"), (b"armani", "armanï".encode())),
    ]
    refuse_each(HeningError, lambda change: decode_leaf(entry.replace(*change)), changes)


@given(integers, hashes)
def test_checkpoint_round_trip(size, root):
    """A checkpoint decodes to the encoded size and root; its text has name, size and root."""
    note = encode_checkpoint(size, root, KEY, SEED.sign)
    assert decode_checkpoint(note, KEY) == Checkpoint(KEY.name, size, root)
    text = f"log.hening.test/main\n{size}\n{base64.b64encode(root).decode()}"
    assert note.decode().split("\n\n")[0] == text


def test_out_of_range_checkpoints_are_not_signed():
    """A size or root out of range is refused before signing."""
    calls = []
    bad = [(-1, ROOT), (True, ROOT), (2**53, ROOT), (1, b""), (1, ROOT + b"x")]
    refuse_each(FormatError, lambda each: encode_checkpoint(*each, KEY, calls.append), bad)
    assert not calls


def test_signed_malformed_checkpoints_are_refused():
    """Signed texts with extensions, other origins or non-canonical values are refused."""
    line, name = base64.b64encode(ROOT).decode(), KEY.name

    def read(text):
        decode_checkpoint(encode_note(text, KEY, SEED.sign), KEY)

    texts = [f"{name}\n{size}\n{line}\n" for size in ("07", " 7", "4_2", "-7", "\u0667")]
    roots = (line[:-1], line[:-2] + "9=", "AAAA", "", f"{line}\nextension", f"{line}\n")
    texts += [f"{name}\n7\n{root}\n" for root in roots]
    refuse_each(FormatError, read, [*texts, f"{name}\n7\n", f"\n{name}\n7\n{line}\n"])
    refuse_each(LogError, read, [f"other\n7\n{line}\n", f"{name} \n7\n{line}\n"])


@given(integers, st.lists(hashes, max_size=63), st.binary(max_size=80))
def test_proof_round_trip(index, path, checkpoint):
    """A proof decodes to the encoded value, and keeps the checkpoint's bytes."""
    proof = decode_proof(encode_proof(index, path, checkpoint))
    assert proof == Proof(index, tuple(path), checkpoint)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda head, tail: b"c2sp.org/tlog-proof@v1\nindex " + head + b"\n\n" + tail,
        st.binary(max_size=50),
        st.binary(max_size=20),
    )
)
@example(b"")
@example(b"\n\n")
def test_proofs_have_one_encoding(data):
    """Arbitrary bytes raise our error or are the only encoding of a proof."""
    try:
        proof = decode_proof(data)
    except HeningError:
        return
    assert encode_proof(proof.index, proof.hashes, proof.checkpoint) == data


def test_malformed_proofs_are_refused():
    """Other versions, extra lines, non-canonical numbers and wrong hashes are refused."""
    lines = [
        *(b"extra AAAA\nindex 2\n", b"index 2\nextra AAAA\n", b"index 02\n", b"index 2 \n"),
        *(b"index  2\n", b"", b"index 2\nAAAA\n", b"index \xb2\n"),
    ]
    bad = [
        *(PROOF.replace(b"index 2\n", each) for each in lines),
        *(PROOF.replace(b"@v1", b"@v2"), PROOF.replace(b"\n", b"\r\n"), b"\n" + PROOF),
        PROOF.partition(b"\n\n")[0],
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n",
    ]
    refuse_each(FormatError, decode_proof, bad)


def test_proof_size_limit():
    """A proof of 16384 bytes is accepted; a longer one is neither read nor written."""
    overhead = len(encode_proof(0, [], b""))
    assert decode_proof(encode_proof(0, [], b"x" * (16_384 - overhead))).index == 0
    with pytest.raises(FormatError, match="16385"):
        decode_proof(b"x" * 16_385)
    with pytest.raises(FormatError, match="16385"):
        encode_proof(0, [], b"x" * (16_385 - overhead))


def test_undecodable_proofs_are_not_encoded():
    """Indices and hashes out of range cannot be encoded."""
    bad = [(-1, []), (True, []), (2**53, []), (0, [b"x"]), (0, [ROOT] * 64)]
    refuse_each(FormatError, lambda each: encode_proof(*each, HEAD), bad)


def test_proof_verifies_only_its_own_entry():
    """Each entry verifies only with its own proof, under a checkpoint of the trusted key."""
    proofs = [encode_proof(i, TREE.inclusion_proof(i), HEAD) for i in range(len(LEAVES))]
    for number, proof in enumerate(proofs):
        for other, entry in enumerate(ENTRIES):
            if number == other:
                assert verify_proof(proof, entry, KEY).size == 7
            else:
                with pytest.raises(LogError):
                    verify_proof(proof, entry, KEY)
    other = VerifierKey(KEY.name, hashlib.sha256(b"x").digest())
    with pytest.raises(LogError, match="not signed"):
        verify_proof(PROOF, ENTRIES[2], other)


def test_flipped_bits_of_a_proof_are_refused():
    """A proof with any flipped bit is refused."""
    for position in range(len(PROOF)):
        for bit in range(8):
            changed = bytearray(PROOF)
            changed[position] ^= 1 << bit
            with pytest.raises(HeningError):
                verify_proof(bytes(changed), ENTRIES[2], KEY)


@given(st.binary(max_size=200))
def test_arbitrary_leaves_raise_only_our_error(entry):
    """Arbitrary bytes raise our error or are the only encoding of a leaf."""
    with contextlib.suppress(HeningError):
        assert encode_leaf(*decode_leaf(entry)) == entry
