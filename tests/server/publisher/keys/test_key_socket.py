"""The publisher's side of the key process's socket, tested with a scripted key process."""

import base64
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.core.checkpoint import encode_leaf
from server.core.errors import FormatError, TrustError
from server.core.note import VerifierKey
from server.core.tiles import GrowingTree
from server.core.tlog import leaf_hash, tree_hash
from server.publisher.errors import LeafRefusedError, PublishError
from server.publisher.keys.holder import KeyFolder, load_keys, load_signed_leaves, open_keys
from server.publisher.keys.key_socket import KeySocket, LogHalf
from server.publisher.keys.messages import (
    HEAD,
    Done,
    Held,
    Leaves,
    LogSize,
    ReadLeaves,
    Refused,
    Signature,
    SignCheckpoint,
    Unexpected,
    decode_head,
    decode_request,
    encode_frame,
)
from server.publisher.keys.online_keys import ROLES, History, encode_public, load_online_keys
from server.publisher.log import SignedLeaves
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

LOG = VerifierKey("hening.example/log", bytes(31) + b"\x01")
ENTRIES = [encode_leaf("latest", number, "0" * 64) for number in range(1, 9)]


@contextmanager
def answering(tmp_path, *answers):
    """Yield a key socket whose other side sends these answers, and its list of requests."""
    path, requests = tmp_path / "keys.sock", []
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            for answer in answers:
                client, _ = listener.accept()
                with client, client.makefile("rb") as reader:
                    requests.append(decode_request(reader.read(decode_head(reader.read(HEAD)))))
                    client.sendall(answer if isinstance(answer, bytes) else encode_frame(answer))

        thread = threading.Thread(target=serve)
        thread.start()
        yield KeySocket(StateFolder(tmp_path / "state", keys_socket=str(path))), requests
        thread.join()


def held(keys, size=0, *, is_known=True):
    """Return the answer of a key process that has the keys of a folder."""
    roles = {role: [key.public_key.keyval["public"]] for role, key in keys.signers.items()}
    return Held(roles, [str(keys.log_verifier)], size, is_known)


def test_open_keys():
    """With the setting, keys are used through a socket, otherwise from the state folder."""
    assert isinstance(open_keys(StateFolder(Path("state"))), KeyFolder)
    assert isinstance(open_keys(StateFolder(Path("state"), keys_socket="keys.sock")), KeySocket)


def test_load_public_keys(fresh, tmp_path):
    """The loaded public keys have the same ids as the keys, and cannot sign."""
    keys = load_online_keys(fresh.folder.keys)
    with answering(tmp_path, held(keys, 7)) as (process, _):
        loaded = process.load()
    assert encode_public(loaded) == encode_public(keys)
    assert loaded.log_size == 7
    assert [k.public_key for k in loaded.signers.values()] == [
        k.public_key for k in keys.signers.values()
    ]
    with pytest.raises(TrustError, match="the key process signs"):
        loaded.signers["latest"].sign(b"bytes")


def test_older_log_is_not_sent(fresh, tmp_path):
    """An older copy of the log is not sent to a process that has more leaves.

    The process would refuse it.
    """
    keys = load_online_keys(fresh.folder.keys)
    with answering(tmp_path, held(keys, 7, is_known=False)) as (process, requests):
        assert process.load().log_size == 7
    assert len(requests) == 1


NO_ANSWER, OTHER_VERSION = "the key process does not answer at", "of another version"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (b"", StorageError, NO_ANSWER),
        (b"\0", StorageError, NO_ANSWER),
        (b"\0\0\0\5abc", StorageError, NO_ANSWER),
        (b"\xff\xff\xff\xff", StorageError, NO_ANSWER),
        (b"\0\0\0\1\xc0", StorageError, NO_ANSWER),
        (Refused("no.", True), StorageError, "the key process refuses: no"),
        (Refused("no.", False), PublishError, "the key process refuses: no"),
        (Done(), StorageError, OTHER_VERSION),
        (Held({}, ["log"], 0, True), StorageError, OTHER_VERSION),
        (Held({role: ["zz"] for role in ROLES}, [str(LOG)], 0, True), FormatError, "malformed"),
    ],
)
def test_invalid_answers_and_refusals(tmp_path, answer, kind, message):
    """A failure of the environment is retried; a refusal refuses the waiting work.

    An answer of another version and a malformed key raise our own errors.
    """
    with answering(tmp_path, answer) as (process, _), pytest.raises(kind, match=message):
        process.load()


def test_no_key_process(tmp_path):
    """Without a key process, the error names the socket and the command to run."""
    folder = StateFolder(tmp_path, keys_socket=str(tmp_path / "nothing.sock"))
    with pytest.raises(StorageError, match=r"nothing\.sock .* `hening-server keys serve` runs"):
        load_keys(folder)


def history(size, public=0):
    """Return the history of a log with `size` entries, of which `public` are public."""
    tree = GrowingTree(0, {}.__getitem__)
    for entry in ENTRIES[:size]:
        tree.append(leaf_hash(entry))
    return History(tree, 0, ENTRIES[:size], public)


def text(size):
    """Return the unsigned checkpoint of the first `size` entries."""
    root = base64.b64encode(tree_hash(list(map(leaf_hash, ENTRIES[:size])))).decode()
    return f"{LOG.name}\n{size}\n{root}\n".encode()


def test_checkpoint_is_sent_with_new_entries(tmp_path):
    """If the process reports another size, the entries after that size are sent."""
    with answering(tmp_path, LogSize(4), Signature(bytes(64))) as (process, requests):
        signed = process.sign_checkpoint(LOG, text(6), history(6))
    assert signed == bytes(64)
    assert requests == [
        SignCheckpoint(str(LOG), text(6), 0, ENTRIES[:6], []),
        SignCheckpoint(str(LOG), text(6), 4, ENTRIES[4:6], []),
    ]


@pytest.mark.parametrize(("size", "signed"), [(3, 6), (6, 6), (6, 8)])
def test_known_checkpoint_is_sent_with_a_proof(tmp_path, size, signed):
    """A checkpoint of a known size is sent with a consistency proof, not with entries.

    If the process has signed more than the log holds, the proof is empty.
    """
    with answering(tmp_path, LogSize(signed), Signature(bytes(64))) as (process, requests):
        process.sign_checkpoint(LOG, text(size), history(6))
    proof = history(6).tree.consistency_proof(size, signed) if signed < 8 else []
    assert requests[1] == SignCheckpoint(str(LOG), text(size), signed, [], proof)


def test_public_leaves_are_never_sent(tmp_path):
    """Public leaves are never sent to a process that does not know them.

    Without its log, no checkpoint is signed: the process could not verify it.
    """
    process = KeySocket(StateFolder(tmp_path, keys_socket="nowhere"))
    with pytest.raises(StorageError, match=r"knows 0 leaves of the log, but 3 are public"):
        process.sign_checkpoint(LOG, text(6), history(6, public=3))
    with pytest.raises(TrustError, match="without its log"):
        LogHalf(LOG, process).sign(text(1))


@pytest.mark.parametrize(
    ("answers", "kind", "message"),
    [
        ([Refused("no.", False)], StorageError, "refuses: no"),
        ([Unexpected("no.")], LeafRefusedError, "refuses: no"),
        ([LogSize(1), LogSize(2), LogSize(3)], StorageError, "another publisher is using"),
    ],
)
def test_refused_checkpoint(tmp_path, answers, kind, message):
    """A refused checkpoint postpones bundles; leaves that can never be signed have their own error.

    If the reported size keeps changing, the attempt ends and releases the lease.
    """
    with answering(tmp_path, *answers) as (process, _), pytest.raises(kind, match=message):
        process.sign_checkpoint(LOG, text(6), history(6))


def test_load_signed_leaves(fresh, tmp_path):
    """All signed leaves from an index on are read, in several answers.

    The result is None if the process has signed none or keys are in a folder.
    """
    state = StateFolder(tmp_path, keys_socket=str(tmp_path / "keys.sock"))
    described, root = held(load_online_keys(fresh.folder.keys), 8), bytes(32)
    parts = [Leaves(ENTRIES[2:5], root), Leaves(ENTRIES[5:], root), Leaves([], root)]
    with answering(tmp_path, described, *parts) as (_, requests):
        assert load_signed_leaves(state, 2) == SignedLeaves(2, ENTRIES[2:], root)
    assert requests[1:] == [ReadLeaves(2), ReadLeaves(5), ReadLeaves(8)]
    with answering(tmp_path, held(load_online_keys(fresh.folder.keys))):
        assert load_signed_leaves(state, 0) is None
    assert load_signed_leaves(fresh.folder, 0) is None
