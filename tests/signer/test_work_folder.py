import pytest

from signer.errors import WorkFolderError
from signer.work_folder import WorkFolder


def test_load_versions(repo) -> None:
    """Each role is at version 1 after a ceremony; version 10 follows version 9."""
    folder = WorkFolder(repo)
    assert folder.load_versions() == {
        role: [1] for role in ("armani", "content", "dior", "root", "tables", "targets")
    }
    for version in range(2, 11):
        folder.store("armani", version, b"{}")
    assert folder.load_versions()["armani"] == list(range(1, 11))


def test_version_is_never_rewritten(repo, tree) -> None:
    """Any bytes are returned unchanged; storing the same bytes again is allowed."""
    folder, data = WorkFolder(repo), b'{ "b": 1,\n"a": 2}'
    folder.store("armani", 2, data)
    before = tree(repo)
    folder.store("armani", 2, data)
    with pytest.raises(WorkFolderError, match="never rewritten"):
        folder.store("armani", 2, b"{}")
    assert folder.load("armani", 2) == data
    assert tree(repo) == before


def test_missing_version_is_refused(repo) -> None:
    """The message names role and version; a gap is refused, or a version would be signed twice."""
    with pytest.raises(WorkFolderError, match="no version 7 of armani"):
        WorkFolder(repo).load("armani", 7)
    WorkFolder(repo).store("armani", 3, b"{}")
    with pytest.raises(WorkFolderError, match="version of armani is missing"):
        WorkFolder(repo).load_versions()


def test_folder_without_metadata_is_refused(tmp_path) -> None:
    """The message says how to create a repository."""
    with pytest.raises(WorkFolderError, match="ceremony init"):
        WorkFolder(tmp_path).load_versions()


def test_unexpected_file_is_refused(repo) -> None:
    """The message names the file; symbolic links are refused, too."""
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
