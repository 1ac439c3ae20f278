import pytest

from client_sim.device.errors import StorageError
from client_sim.device.records import VALUE_LIMIT
from client_sim.tuf.folder import MetadataFolder


def test_names_lead_nowhere_else(tmp_path):
    """Whatever a role is called, its file lies in the folder, and its name comes back."""
    folder = MetadataFolder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "note.txt").write_text("hello")  # other files are no metadata
    names = ["role.root", "role.../../x", "role./x", "role.ü?#", "role..", "role.a.json"]
    for name in names:
        folder[name] = name.encode()
    assert sorted(folder) == sorted(names)
    assert len(folder) == len(names)
    assert all(folder[name] == name.encode() for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    del folder["role.root"]
    assert "role.root" not in folder
    with pytest.raises(KeyError):
        del folder["role.root"]


def test_failures_are_told(tmp_path):
    """A folder that is none, a file that is none, and one that is too long."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        MetadataFolder(tmp_path / "file")
    folder = MetadataFolder(tmp_path)
    (tmp_path / "root.json").mkdir()
    with pytest.raises(StorageError):
        folder["role.root"]
    with pytest.raises(StorageError):
        folder["role.root"] = b""
    with pytest.raises(StorageError):
        del folder["role.root"]
    with pytest.raises(StorageError):
        folder["role." + "x" * 300] = b""
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(VALUE_LIMIT + 1)
    with pytest.raises(StorageError):
        folder["role.long"]
