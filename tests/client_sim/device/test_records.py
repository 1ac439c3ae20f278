import subprocess
import sys
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_sim.device.errors import StateError, StorageError
from client_sim.device.records import (
    VALUE_LIMIT,
    RecordStore,
    add_unusable,
    forget_due,
    forget_unusable,
    load_agreed,
    load_due,
    load_failed,
    load_floor,
    load_secret,
    load_unusable,
    lock_folder,
    raise_floor,
    store_agreed,
    store_due,
    store_failed,
)
from tests.cases import case
from tests.client_sim.engine.power_cut import DyingDisk, PowerCut


def test_the_floor_only_rises():
    """A lower counter does not change the floor."""
    state = {}
    assert load_floor(state) == 0
    for counter, floor in ((3, 3), (2, 3), (7, 7)):
        raise_floor(state, counter)
        assert load_floor(state) == floor


def test_failed_builds_and_consent():
    """The 64 highest failed counters are kept; consent is for the last agreed build."""
    state = {}
    store_failed(state, [3, 1, 3])
    assert load_failed(state) == (1, 3)
    store_failed(state, range(100))
    assert load_failed(state) == tuple(range(36, 100))
    assert load_agreed(state) is None
    for counter in (3, 2):
        store_agreed(state, counter)
        assert load_agreed(state) == counter


def test_a_damaged_secret_is_made_anew():
    """A secret that does not have 32 bytes is replaced."""
    state = {"secret": b"short"}
    assert load_secret(state, lambda n: b"\x07" * n) == b"\x07" * 32
    assert load_secret(state, bytes) == b"\x07" * 32


@given(st.floats(0, 10**11))
@example(1e-05)
def test_due_time_round_trip(due):
    """`store_due` returns what `load_due` reads, at most a millisecond off."""
    state = {}
    assert store_due(state, due) == load_due(state)
    assert abs(load_due(state) - due) < 0.001
    forget_due(state)
    assert load_due(state) is None


def test_unusable_incrementals_are_kept_in_order_and_bounded():
    """The 64 hashes added last are kept; other text is ignored."""
    state = {}
    hashes = [f"{number:064x}" for number in range(66)]
    for sha256 in (*hashes, hashes[3]):
        add_unusable(state, sha256)
    assert load_unusable(state) == (*hashes[2:3], *hashes[4:], hashes[3])
    forget_unusable(state)
    forget_unusable(state)
    assert load_unusable(state) == ()
    assert load_unusable({"unusable": b"\xff\n" + hashes[1].encode() + b"\nabc"}) == (hashes[1],)


@given(st.binary(max_size=20))
def test_arbitrary_records_raise_only_state_error(data):
    """Damaged records are a `StateError`, or as if absent."""
    names = ("floor", "failed", "due", "agreed", "unusable")
    state = dict.fromkeys(names, data)
    load_due(state)
    load_unusable(state)
    for load in (load_floor, load_failed, load_agreed):
        try:
            load(state)
        except StateError:
            continue
        assert data.replace(b"\n", b"").isdigit() or load is load_failed
    with pytest.raises(StateError):
        load_failed({"failed": b"1\n" * 65})


def test_values_are_read_by_a_new_store(tmp_path):
    """Assigned and deleted values are seen by a store that is opened later."""
    RecordStore(tmp_path / "state")["role.armani"] = b"\x00\xff"
    records = RecordStore(tmp_path / "state")
    assert dict(records) == {"role.armani": b"\x00\xff"}
    del records["role.armani"]
    assert "role.armani" not in RecordStore(tmp_path / "state")
    assert len(records) == 0
    assert records.get("role.armani") is None
    with pytest.raises(KeyError):
        del records["role.armani"]


def test_names_cannot_leave_the_folder(tmp_path):
    """Only valid names are stored, and other names are not found."""
    records = RecordStore(tmp_path / "state")
    for name in ("", ".", "..", "../x", "a/b", "A", ".a", "a..b", "a.", "x" * 97):
        with case(name), pytest.raises(StorageError):
            records[name] = b""
        assert name not in records
        with pytest.raises(KeyError):
            del records[name]
    assert not list((tmp_path / "state").iterdir())


def test_a_power_cut_at_any_step_leaves_the_old_value_or_the_new_one(tmp_path):
    """A replaced or removed value is never cut."""
    RecordStore(tmp_path)["due"] = b"old value"
    for new, steps in ((b"n", 6), (b"a new and longer value", 6), (None, 3)):
        found = set()
        for last in range(steps):
            RecordStore(tmp_path)["due"] = b"old value"
            with pytest.raises(PowerCut):
                _change(RecordStore(tmp_path, disk=DyingDisk(last)), new)
            found.add(RecordStore(tmp_path).get("due"))
        assert found == {b"old value", new}
        # Leftovers do no harm, and there are no further steps.
        RecordStore(tmp_path)["due"] = b"old value"
        _change(RecordStore(tmp_path, disk=DyingDisk(steps)), new)
        assert RecordStore(tmp_path).get("due") == new


def _change(records, value):
    if value is None:
        del records["due"]
    else:
        records["due"] = value


def test_values_have_a_limit(tmp_path):
    """Longer values are neither stored nor read."""
    records = RecordStore(tmp_path)
    with pytest.raises(StorageError):
        records["due"] = bytes(VALUE_LIMIT + 1)
    (tmp_path / "due").write_bytes(bytes(VALUE_LIMIT + 1))
    with pytest.raises(StorageError):
        records["due"]


def test_a_failing_disk_is_a_storage_error(tmp_path):
    """Errors of the operating system become the phone's own error."""
    records = RecordStore(tmp_path)
    (tmp_path / "due").mkdir()
    with pytest.raises(StorageError):
        records["due"]
    with pytest.raises(StorageError):
        records["due"] = b"x"
    with pytest.raises(StorageError):
        del records["due"]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        RecordStore(tmp_path / "file")
    (tmp_path / "gone").mkdir()
    gone = RecordStore(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StorageError):
        list(gone)


def test_folder_has_one_holder(tmp_path):
    """A second holder is refused or waits, and no file is left."""
    with lock_folder(tmp_path, wait=False) as is_first, lock_folder(tmp_path, wait=False) as two:
        assert (is_first, two) == (True, False)
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path, wait=False):
        raise ZeroDivisionError
    order = []

    def wait():
        with lock_folder(tmp_path, wait=True) as is_locked:
            order.append("second" if is_locked else "")

    waiting = threading.Thread(target=wait)
    with lock_folder(tmp_path, wait=True):
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]
    assert not list(tmp_path.iterdir())


def test_folder_of_a_killed_process_is_free(tmp_path):
    """A process that is killed does not keep the folder."""
    code = (
        "import sys, pathlib; from client_sim.device.records import lock_folder\n"
        "with lock_folder(pathlib.Path(sys.argv[1]), wait=True): print(flush=True); input()"
    )
    line = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with lock_folder(tmp_path, wait=False) as is_locked:
            assert not is_locked
        holder.kill()
    with lock_folder(tmp_path, wait=False) as is_locked:
        assert is_locked
