import os
import stat

import pytest

from client_sim.device.errors import StorageError
from client_sim.device.vault import VALUE_LIMIT, Vault
from tests.client_sim.engine.power_cut import DyingDisk, PowerCut


def test_values_survive(tmp_path):
    """What was assigned is there for whoever opens the folder next."""
    Vault(tmp_path / "state")["role.armani"] = b"\x00\xff"
    vault = Vault(tmp_path / "state")
    assert dict(vault) == {"role.armani": b"\x00\xff"}
    del vault["role.armani"]
    assert "role.armani" not in Vault(tmp_path / "state")
    assert len(vault) == 0


def test_what_is_not_there_is_missing(tmp_path):
    """Reading and deleting follow the rules of a mapping."""
    vault = Vault(tmp_path)
    assert vault.get("due") is None
    with pytest.raises(KeyError):
        del vault["due"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", ".a", "a..b", "a.", "x" * 97])
def test_names_cannot_leave_the_folder(tmp_path, name):
    """Only names of the phone's own are stored; reading others finds nothing."""
    vault = Vault(tmp_path / "state")
    with pytest.raises(StorageError):
        vault[name] = b""
    assert name not in vault
    with pytest.raises(KeyError):
        del vault[name]
    assert not list((tmp_path / "state").iterdir())


def test_a_value_is_durable_before_it_is_seen(tmp_path, monkeypatch):
    """Written, synced, renamed, and the folder synced, in this order."""
    steps = []
    fsync, replace = os.fsync, type(tmp_path).replace

    def watch_sync(descriptor):
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync")
        fsync(descriptor)

    def watch_replace(path, target):
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", watch_sync)
    monkeypatch.setattr(type(tmp_path), "replace", watch_replace)
    Vault(tmp_path)["due"] = b"1"
    assert steps == ["sync", "rename", "sync folder"]


def test_a_power_cut_at_any_step_leaves_the_old_value_or_the_new_one(tmp_path):
    """Half a value never, also where it is replaced by a longer or a shorter one, or removed."""
    Vault(tmp_path)["due"] = b"old value"
    for new, steps in ((b"n", 6), (b"a new and longer value", 6), (None, 3)):
        found = set()
        for last in range(steps):
            Vault(tmp_path)["due"] = b"old value"
            with pytest.raises(PowerCut):
                _change(Vault(tmp_path, disk=DyingDisk(last)), new)
            found.add(Vault(tmp_path).get("due"))
        assert found == {b"old value", new}
        # The leftovers are in nobody's way, and there are no more steps than were tried.
        Vault(tmp_path)["due"] = b"old value"
        _change(Vault(tmp_path, disk=DyingDisk(steps)), new)
        assert Vault(tmp_path).get("due") == new


def _change(vault, value):
    if value is None:
        del vault["due"]
    else:
        vault["due"] = value


def test_values_have_a_limit(tmp_path):
    """Neither stored nor read are values beyond the largest that a phone has."""
    vault = Vault(tmp_path)
    with pytest.raises(StorageError):
        vault["due"] = bytes(VALUE_LIMIT + 1)
    (tmp_path / "due").write_bytes(bytes(VALUE_LIMIT + 1))
    with pytest.raises(StorageError):
        vault["due"]


def test_a_failing_disk_is_a_storage_error(tmp_path):
    """Whatever the operating system says becomes the phone's own error."""
    vault = Vault(tmp_path)
    (tmp_path / "due").mkdir()
    with pytest.raises(StorageError):
        vault["due"]
    with pytest.raises(StorageError):
        vault["due"] = b"x"
    with pytest.raises(StorageError):
        del vault["due"]
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Vault(tmp_path / "file")
    (tmp_path / "gone").mkdir()
    gone = Vault(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StorageError):
        list(gone)
