import pytest

from signer.errors import WorkFolderError
from signer.work_folder import WorkFolder


def test_versions_are_those_on_the_disk(repo) -> None:
    """Each role is at version 1 after a ceremony; version 10 comes after version 9."""
    folder = WorkFolder(repo)
    assert folder.load_versions() == {
        role: [1] for role in ("armani", "content", "dior", "root", "tables", "targets")
    }
    for version in range(2, 11):
        folder.store("armani", version, b"{}")
    assert folder.load_versions()["armani"] == list(range(1, 11))


def test_a_version_is_never_rewritten(repo, tree) -> None:
    """Its bytes come back as they were, whatever they are; the same may be stored again."""
    folder, data = WorkFolder(repo), b'{ "b": 1,\n"a": 2}'
    folder.store("armani", 2, data)
    before = tree(repo)
    folder.store("armani", 2, data)
    with pytest.raises(WorkFolderError, match="never rewritten"):
        folder.store("armani", 2, b"{}")
    assert folder.load("armani", 2) == data
    assert tree(repo) == before


def test_a_version_that_is_missing_is_refused(repo) -> None:
    """The sentence names role and version; after a gap one would be signed a second time."""
    with pytest.raises(WorkFolderError, match="no version 7 of armani"):
        WorkFolder(repo).load("armani", 7)
    WorkFolder(repo).store("armani", 3, b"{}")
    with pytest.raises(WorkFolderError, match="version of armani is missing"):
        WorkFolder(repo).load_versions()


def test_a_folder_without_metadata_is_refused(tmp_path) -> None:
    """The sentence says how to make a repository."""
    with pytest.raises(WorkFolderError, match="ceremony init"):
        WorkFolder(tmp_path).load_versions()


def test_a_strange_file_is_refused(repo) -> None:
    """The sentence names the file; a version is a file of the folder's own."""
    odd = repo / "metadata" / "2.armani.json"
    odd.symlink_to("1.armani.json")
    with pytest.raises(WorkFolderError, match=r"2\.armani\.json"):
        WorkFolder(repo).load_versions()
    odd.unlink()
    for name, words in (
        *((each, each) for each in ("notes.txt", "0.armani.json", "01.armani.json")),
        *(("1.Armani.json", "1.Armani.json"), (f"{'9' * 40}.armani.json", "not a number")),
    ):
        (repo / "metadata" / name).write_bytes(b"{}")
        with pytest.raises(WorkFolderError, match=words):
            WorkFolder(repo).load_versions()
        (repo / "metadata" / name).unlink()
