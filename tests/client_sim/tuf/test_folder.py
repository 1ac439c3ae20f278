import pytest

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
