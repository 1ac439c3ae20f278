import contextlib
import hashlib
import json
import os
import signal
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from signer.audit.findings import MemoryFileError
from signer.audit.log_audit import audit_log
from signer.audit.memory import (
    MAX_MEMORY,
    Logged,
    Pending,
    RoleMemory,
    SignedHead,
    begin_memory,
    decode_memory,
    encode_memory,
    load_memory,
    store_memory,
)
from tests.cases import case
from tests.signer.audit.public_tree import NOW, DictMirror, make_tree

_FILES = make_tree().files
_FIRST = begin_memory(_FILES["/metadata/1.root.json"])
_SOME = audit_log(DictMirror(_FILES), _FIRST, NOW, lambda _done, _total: None).memory
#: The calls that change the disk.
_CALLS = {"open", "write", "flush", "close", "fsync", "rename", "replace", "unlink"}


@pytest.fixture
def memory(audit, tree):
    """Return the memory after an audit of nine entries."""
    return audit(tree).memory


@pytest.fixture
def later(audit, tree, memory):
    """Return the memory after the next audit."""
    tree.release("content")
    return audit(tree, memory).memory


def seal(value, **others):
    """Return a file with the right hash for any value."""
    sha256 = hashlib.sha256(encode_canonical_json(value)).hexdigest()
    return encode_canonical_json({"memory": value, "schema": 1, "sha256": sha256} | others)


def test_memory_file_format(memory):
    """The file is canonical JSON with the hash of its one member and the signed note."""
    data = encode_memory(memory)
    value = json.loads(data)
    assert set(value) == {"memory", "schema", "sha256"}
    inner = json.dumps(
        value["memory"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    assert hashlib.sha256(inner + b"\n").hexdigest() == value["sha256"]
    assert value["memory"]["size"] == 9
    assert value["memory"]["checkpoint"].startswith("log.example/hening\n9\n")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True),
        st.builds(
            RoleMemory,
            current=st.integers(0, 2**53 - 1),
            highest=st.integers(0, 2**53 - 1),
            index=st.integers(0, 2**53 - 1),
            kept=st.lists(
                st.builds(
                    Logged,
                    index=st.integers(0, 8),
                    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
                    version=st.integers(0, 2**53 - 1),
                )
            ),
        ),
    ),
    st.lists(
        st.builds(
            Pending,
            role=st.text(st.characters(exclude_categories=["Cs"])),
            since=st.integers(0, 2**53 - 1),
            version=st.integers(0, 2**53 - 1),
        )
    ),
    st.lists(
        st.builds(
            SignedHead,
            root=st.binary(min_size=32, max_size=32).map(bytes.hex),
            size=st.integers(0, 2**53 - 1),
        )
    ),
)
def test_memory_round_trip(roles, pending, proven):
    """Every memory can be read back."""
    full = msgspec.structs.replace(_SOME, roles=roles, pending=pending, proven=proven)
    assert decode_memory(encode_memory(full)) == full


def test_damaged_file_is_refused(memory) -> None:
    """Changed, truncated and extended files are refused."""
    data = encode_memory(memory)
    for place in range(0, len(data), 7):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(MemoryFileError, match="cannot be used"):
            decode_memory(damaged)
    for length in range(0, len(data), 13):
        with pytest.raises(MemoryFileError):
            decode_memory(data[:length])
    with pytest.raises(MemoryFileError):
        decode_memory(data + b"\n")


@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_arbitrary_bytes_are_refused(data):
    """Arbitrary bytes are refused with a MemoryFileError."""
    with pytest.raises(MemoryFileError):
        decode_memory(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(st.data())
def test_arbitrary_member_with_valid_hash(data):
    """A file with the right hash decodes to exactly its values, or is refused."""
    value = msgspec.to_builtins(_SOME)
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(JSON)
    with contextlib.suppress(MemoryFileError):
        assert msgspec.to_builtins(decode_memory(seal(value))) == value


def test_contradicting_members_are_refused(memory):
    """The members must describe one log, also under a right hash; the schema must be known."""
    for change, reason in (
        ({"size": 8}, "not those of a tree"),
        ({"size": 10}, "does not match its tree"),
        ({"hashes": ["00" * 32, "11" * 32]}, "does not match its tree"),
        ({"checkpoint": "log.example/hening\n9\n"}, "does not match its tree"),
        ({"root": "AAAA"}, "root file"),
        ({"root": "!"}, "base64"),
        ({"pinned": "A" * 64}, "pinned"),
        ({"more": 1}, "more"),
        ({"size": -1}, ">= 0"),
    ):
        with case(change), pytest.raises(MemoryFileError, match=reason):
            decode_memory(seal(msgspec.to_builtins(memory) | change))
    for schema in (0, 2, True, "1", None):
        with case(schema), pytest.raises(MemoryFileError, match="its schema is"):
            decode_memory(seal(msgspec.to_builtins(memory), schema=schema))
    value = msgspec.to_builtins(memory)
    value["roles"]["armani"]["kept"][0]["index"] = 9
    with pytest.raises(MemoryFileError, match="entries of armani"):
        decode_memory(seal(value))


def test_memory_file_size_limit(memory, tmp_path):
    """A file over the limit is neither read nor written."""
    path = tmp_path / "log.memory"
    with path.open("wb") as file:
        file.truncate(MAX_MEMORY * 4)
    with pytest.raises(MemoryFileError, match="over the limit"):
        load_memory(path)
    huge = msgspec.structs.replace(memory, checkpoint="x" * MAX_MEMORY)
    with pytest.raises(MemoryFileError, match="would have over"):
        encode_memory(huge)


def test_store_memory(tmp_path, memory, later) -> None:
    """A stored memory replaces the former one and the leftover of a crash."""
    assert load_memory(tmp_path / "log.memory") is None
    path = tmp_path / "log.memory"
    store_memory(path, memory)
    assert load_memory(path) == memory
    (tmp_path / f".tmp-log.memory.{os.getpid()}").write_bytes(b"half of")
    store_memory(path, later)
    assert load_memory(path) == later
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.memory"]


def test_kill_while_storing(memory, later, tmp_path):
    """A kill before any call that touches the disk leaves the old or the new memory."""
    path = tmp_path / "log.memory"
    outcomes = []
    for point in range(1, 100):
        path.unlink(missing_ok=True)
        store_memory(path, memory)
        child = os.fork()
        if child == 0:
            _store_and_die(path, later, point)
        _, status = os.waitpid(child, 0)
        outcomes.append(load_memory(path))
        assert outcomes[-1] in (memory, later)
        store_memory(path, later)
        assert load_memory(path) == later
        if status == 0:
            break
    assert status == 0
    assert outcomes[0] == memory
    assert outcomes[-1] == later
    assert outcomes == sorted(outcomes, key=lambda each: each.size)


def _store_and_die(path, memory, point):
    """Store in a child process that kills itself before its call number `point`."""
    passed = 0

    def before(_frame, event, function):
        nonlocal passed
        if event == "c_call" and function.__name__ in _CALLS:
            passed += 1
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(before)
    store_memory(path, memory)
    sys.setprofile(None)
    os._exit(0)
