"""The publisher's side of the key process's socket, beside one that answers as it likes."""

import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.core.errors import FormatError, TrustError
from server.core.note import VerifierKey
from server.publisher.errors import PublishError
from server.publisher.key_holder import KeyFolder, load_keys, open_keys
from server.publisher.key_messages import (
    HEAD,
    Done,
    Held,
    LogSize,
    Refused,
    Signature,
    SignCheckpoint,
    decode_head,
    decode_request,
    encode_frame,
)
from server.publisher.key_socket import KeySocket
from server.publisher.online_keys import encode_public, load_online_keys
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

LOG = VerifierKey("hening.example/log", bytes(31) + b"\x01")


@contextmanager
def answering(tmp_path, *answers):
    """Give a key socket whose other side answers so in turn, and what it was asked."""
    path, asked = tmp_path / "keys.sock", []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            for answer in answers:
                client, _ = listener.accept()
                with client, client.makefile("rb") as reader:
                    asked.append(decode_request(reader.read(decode_head(reader.read(HEAD)))))
                    client.sendall(answer if isinstance(answer, bytes) else encode_frame(answer))

        thread = threading.Thread(target=serve)
        thread.start()
        yield KeySocket(StateFolder(tmp_path / "state", keys_socket=str(path))), asked
        thread.join()


def held(keys, size=0):
    """Return what a key process says of the keys of a folder."""
    roles = {role: [key.public_key.keyval["public"]] for role, key in keys.signers.items()}
    return Held(roles, [str(keys.log_verifier)], size)


def test_where_the_keys_are():
    """The setting says it; without it they are in the state folder."""
    assert isinstance(open_keys(StateFolder(Path("state"))), KeyFolder)
    assert isinstance(open_keys(StateFolder(Path("state"), keys_socket="keys.sock")), KeySocket)


def test_the_public_halves(fresh, tmp_path):
    """They have the ids of the keys, and sign nothing by themselves."""
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


@pytest.mark.parametrize(
    "answer", [b"", b"\0", b"\0\0\0\5abc", b"\xff\xff\xff\xff", b"\0\0\0\1\xc0"]
)
def test_what_is_no_answer(tmp_path, answer):
    """The process is away or is no key process: what waits is tried again."""
    with (
        answering(tmp_path, answer) as (process, _),
        pytest.raises(StorageError, match="the key process does not answer at"),
    ):
        process.load()


def test_nobody_is_there(tmp_path):
    """The sentence says where, and which command should run there."""
    folder = StateFolder(tmp_path, keys_socket=str(tmp_path / "nothing.sock"))
    with pytest.raises(StorageError, match=r"nothing\.sock .* `hening-server keys serve` runs"):
        load_keys(folder)


@pytest.mark.parametrize(("surroundings", "kind"), [(True, StorageError), (False, PublishError)])
def test_a_refusal(tmp_path, surroundings, kind):
    """It keeps its kind: a disk is tried again, and what must not be signed is not."""
    with (
        answering(tmp_path, Refused("no.", surroundings)) as (process, _),
        pytest.raises(kind, match="the key process refuses: no"),
    ):
        process.load()


@pytest.mark.parametrize("answer", [Done(), Held({}, ["log"], 0)])
def test_an_answer_to_something_else(tmp_path, answer):
    """The two programs are of different versions."""
    with (
        answering(tmp_path, answer) as (process, _),
        pytest.raises(StorageError, match="of another version"),
    ):
        process.load()


def test_a_key_that_is_none(fresh, tmp_path):
    """It is refused as a form, not by the library's error."""
    answer = held(load_online_keys(fresh.folder.keys))
    answer.roles["latest"] = ["zz"]
    with answering(tmp_path, answer) as (process, _), pytest.raises(FormatError, match="none"):
        process.load()


def test_a_checkpoint_is_proven_from_the_size_that_was_signed(tmp_path):
    """The process says which size that is, where it was another than was thought."""
    with answering(tmp_path, LogSize(3), Signature(bytes(64))) as (process, asked):
        signed = process.sign_checkpoint(LOG, b"text", lambda size: [bytes([size]) * 32])
    assert signed == bytes(64)
    assert asked == [
        SignCheckpoint(str(LOG), b"text", 0, []),
        SignCheckpoint(str(LOG), b"text", 3, [b"\3" * 32]),
    ]


def test_a_size_that_never_settles(tmp_path):
    """It ends, so that the publisher's lease does."""
    with (
        answering(tmp_path, LogSize(1), LogSize(2), LogSize(3)) as (process, _),
        pytest.raises(StorageError, match="another publisher is using"),
    ):
        process.sign_checkpoint(LOG, b"text", lambda _size: [])
