import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.errors import LogError
from client_sim.device.tlog import (
    Checkpoint,
    decode_log_key,
    decode_proof,
    encode_leaf,
    leaf_hash,
    verify_checkpoint,
    verify_inclusion,
    verify_note,
    verify_proof,
)
from tests.cases import case
from tests.client_sim.device import tree
from tests.client_sim.device.repository_simulator import Log
from tests.server.core.test_tlog import ENTRIES, ROOTS

# The eight leaves that Certificate Transparency's own implementations are tested with; `ROOTS` are
# over the first n of them.
LEAVES = [bytes.fromhex(text) for text in ENTRIES.split("|")]
# The example of C2SP signed-note.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3"
    "mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# A witness's signature line: type 0x04, a time and a signature after the key ID.
WITNESS = (
    b"\xe2\x80\x94 witness.example/w1 " + base64.b64encode(b"\x01\x02\x03\x04" + bytes(72)) + b"\n"
)


def test_every_index_of_every_small_tree():
    """In trees of up to 40 leaves only the true index is proven.

    The oracle's roots of the eight known leaves are the published ones.
    """
    assert [tree.root_hash(LEAVES[:size]).hex() for size in range(9)] == ROOTS
    entries = [*LEAVES, *(bytes([number]) for number in range(32))]
    for size in range(1, 41):
        checkpoint = Checkpoint(size, tree.root_hash(entries[:size]))
        for index in range(size):
            path = tree.path(index, entries[:size])
            verify_inclusion(leaf_hash(entries[index]), index, path, checkpoint)
            for other in {index ^ 1, index + 1, size, size - 1 - index} - {index}:
                with pytest.raises(LogError):
                    verify_inclusion(leaf_hash(entries[index]), other, path, checkpoint)


def test_changed_paths_are_refused():
    """A path must be used up and lead to the root; an empty tree has no leaves."""
    checkpoint = Checkpoint(8, bytes.fromhex(ROOTS[8]))
    path, leaf = tree.path(5, LEAVES), leaf_hash(LEAVES[5])
    for changed, of in (
        (path[:-1], leaf),
        ([*path, bytes(32)], leaf),
        ([path[1], path[0], path[2]], leaf),
        (path, leaf_hash(LEAVES[4])),
    ):
        with pytest.raises(LogError):
            verify_inclusion(of, 5, changed, checkpoint)
    with pytest.raises(LogError, match="beyond"):
        verify_inclusion(bytes(32), 0, [], Checkpoint(0, hashlib.sha256().digest()))


def test_formats_vector_of_a_leaf():
    """`armani`, version 2, bytes `abc`."""
    leaf = encode_leaf("armani", 2, b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert leaf == f"hening role v1\narmani\n2\n{digest}\n".encode()
    expected = "892633e3ee815d65e0f9096d50173fcf67ab47514e056207522d90eac5354556"
    assert leaf_hash(leaf).hex() == expected


def test_the_signed_note_example():
    """The example of C2SP signed-note verifies, and with any flipped bit it does not."""
    key = decode_log_key(SPEC_KEY)
    assert (key.name, key.key_id.hex()) == ("example.com/foo", "530d903a")
    assert verify_note(SPEC_NOTE, key) == "This is an example message.\n"
    for place in range(len(SPEC_NOTE)):
        for bit in range(8):
            changed = bytearray(SPEC_NOTE)
            changed[place] ^= 1 << bit
            with pytest.raises(LogError):
                verify_note(bytes(changed), key)


def test_refused_log_keys():
    """Wrong IDs, names, encodings and types, and keys whose signatures can be forged."""
    weak = b"\x01" + bytes(32)
    weak_id = hashlib.sha256(b"log\n" + weak).hexdigest()[:8]
    for text in (
        *("", "example.com/foo", SPEC_KEY + "A", SPEC_KEY[:-1] + "l", SPEC_KEY + "\n"),
        *(SPEC_KEY.replace("530d903a", key_id) for key_id in ("530d903b", "530D903A")),
        *(SPEC_KEY.replace("example.com/foo", name) for name in ("Example.com/foo", "a" * 65)),
        SPEC_KEY.replace("AekyeRrm", "BOkyeRrm"),
        f"log+{weak_id}+{base64.b64encode(weak).decode()}",
    ):
        with case(text), pytest.raises(LogError):
            decode_log_key(text)


def _log():
    log = Log()
    for number in range(7):
        log.append("armani", number + 1, b"%d" % number)
    return log, decode_log_key(log.vkey)


def test_proof_of_bytes_name_and_version():
    """Other bytes, names and versions are refused, and so are mixed trees and another log."""
    log, key = _log()
    old = log.prove(4)
    found = verify_proof(old, key, role="armani", version=5, data=b"4")
    assert found == Checkpoint(7, tree.root_hash(log.entries))
    for role, version, data in (("armani", 5, b"5"), ("armani", 4, b"4"), ("dior", 5, b"4")):
        with pytest.raises(LogError, match="root of the tree"):
            verify_proof(old, key, role=role, version=version, data=data)
    log.append("armani", 8, b"7")
    mixed = old.split(b"\n\n")[0] + b"\n\n" + log.checkpoint()
    for proof in (mixed, _log()[0].prove(4)):
        with pytest.raises(LogError):
            verify_proof(proof, key, role="armani", version=5, data=b"4")


def test_every_changed_byte_of_a_proof_is_refused():
    """A flipped bit anywhere in a stapled proof is refused."""
    log, key = _log()
    proof = log.prove(4)
    for place in range(len(proof)):
        for bit in (0, 3, 5, 7):
            changed = bytearray(proof)
            changed[place] ^= 1 << bit
            with pytest.raises(LogError):
                verify_proof(bytes(changed), key, role="armani", version=5, data=b"4")


def test_refused_checkpoints():
    """Signed text that does not have the three lines of FORMATS section 7 is refused."""
    log, key = _log()
    root = base64.b64encode(bytes(32)).decode()
    for text in (
        f"{log.name}\n1\n{root}\nextension\n",
        f"{log.name}\n1\n",
        f"other.example\n1\n{root}\n",
        *(f"{log.name}\n{size}\n{root}\n" for size in ("01", "+1", " 1", 2**53)),
        *(f"{log.name}\n1\n{wrong}\n" for wrong in (f"{root}=", "AAAA")),
        f"{log.name}\r\n1\n{root}\n",
        "x" * 4_096 + "\n",
    ):
        with case(text), pytest.raises(LogError):
            verify_checkpoint(log.sign(text), key)


def _signed_by(*lines):
    """Return the log's key, and its checkpoint with other signature lines."""
    log, key = _log()
    head, _, own = log.checkpoint().partition(b"\n\n")
    forged = Log(log.name)
    forged.key = log.key
    wrong = forged.sign("another text\n").partition(b"\n\n")[2]
    namesake = Log(log.name).sign(head.decode() + "\n").partition(b"\n\n")[2]
    named = {"own": own, "wrong": wrong, "namesake": namesake, "witness": WITNESS}
    # A line with the log's name and key ID is the log's, whatever follows.
    short = base64.b64encode(key.key_id + bytes(63)).decode()
    named["short"] = f"\u2014 {key.name} {short}\n".encode()
    return key, head + b"\n\n" + b"".join(named.get(line, line) for line in lines)


def test_signatures_by_others_are_ignored():
    """Lines of witnesses around the log's line, and the log's line twice, are accepted."""
    more = ["witness"] * 15
    for lines in (["own"], ["witness", "own"], ["own", *more], ["own", "own"], ["namesake", "own"]):
        key, note = _signed_by(*lines)
        with case(lines):
            assert verify_checkpoint(note, key).size == 7


def test_refused_signature_lines():
    """No line by the log, a forged one, more than 16 lines, or a malformed one."""
    for lines in (
        *([], ["witness"], ["namesake"], ["wrong"], ["own", "wrong"], ["wrong", "own"]),
        *(["witness", "own", "wrong", "own"], ["own", *["witness"] * 16], ["own", "short"]),
        *(["own", line] for line in (b"\n", b"witness.example AAAAAAA=\n", WITNESS[:-1])),
        *(
            ["own", f"\u2014 {line}\n".encode()]
            for line in (
                *("witness.example AAAAAA==", "witness.example AAAAAAB=", "witness.example !"),
                *("witness+example AAAAAAA=", "witness\u00a0example AAAAAAA=", " AAAAAAA="),
            )
        ),
    ):
        key, note = _signed_by(*lines)
        with case(lines), pytest.raises(LogError):
            verify_checkpoint(note, key)


def test_refused_proofs():
    """A proof has one encoding."""
    log, key = _log()
    proof = log.prove(4)
    for changed in (
        *(b"x" * 16_385, proof + b"\n", b"\n" + proof, proof[:-1], proof.replace(b"\n", b"\r\n")),
        proof.replace(b"@v1", b"@v2"),
        *(proof.replace(b"index 4", index) for index in (b"index 04", b"index  4")),
        proof.replace(b"\nindex", b"\nextra QUJD\nindex"),
        proof.replace(b"index 4\n", b"index 4\n" + (b"A" * 43 + b"=\n") * 64),
    ):
        with case(changed), pytest.raises(LogError):
            verify_proof(changed, key, role="armani", version=5, data=b"4")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_log_error(content):
    """Decoders of proofs, notes and keys raise only `LogError`."""
    key = decode_log_key(SPEC_KEY)
    head = b"c2sp.org/tlog-proof@v1\nindex 0\n"
    for data in (content, head + content, SPEC_NOTE + content):
        with pytest.raises(LogError):
            verify_proof(data, key, role="armani", version=1, data=b"")
        with pytest.raises(LogError):
            verify_note(content, key)
    with pytest.raises(LogError):
        decode_log_key(content.decode("latin-1"))


@given(st.binary(max_size=200))
def test_decoded_proofs_are_bounded(data):
    """A decoded proof has hashes of 32 bytes."""
    lines = base64.b64encode(data[:32].ljust(32, b"\0")) + b"\n\n"
    proof = decode_proof(b"c2sp.org/tlog-proof@v1\nindex 3\n" + lines + data)
    assert [len(part) for part in proof.path] == [32]
    assert proof.note == data
