import pytest

from signer.errors import WorkFolderError
from signer.work_folder import WorkFolder


def test_versions_are_those_on_the_disk(repo) -> None:
    """Each role is at version 1 after a ceremony."""
    assert WorkFolder(repo).load_versions() == {
        role: [1] for role in ("armani", "content", "dior", "root", "tables", "targets")
    }


def test_versions_are_ordered_as_numbers(repo) -> None:
    """Version 10 comes after version 9."""
    folder = WorkFolder(repo)
    for version in range(2, 11):
        folder.store("armani", version, b"{}")
    assert folder.load_versions()["armani"] == list(range(1, 11))


def test_bytes_are_kept(repo) -> None:
    """What was stored comes back as it was, whatever it is."""
    folder = WorkFolder(repo)
    folder.store("armani", 2, b'{ "b": 1,\n"a": 2}')
    assert folder.load("armani", 2) == b'{ "b": 1,\n"a": 2}'


def test_the_same_bytes_may_be_stored_again(repo, tree) -> None:
    """Repeating changes nothing."""
    folder = WorkFolder(repo)
    before = tree(repo)
    folder.store("armani", 1, folder.load("armani", 1))
    assert tree(repo) == before


def test_other_bytes_are_refused(repo, tree) -> None:
    """A version that was signed is never rewritten."""
    before = tree(repo)
    with pytest.raises(WorkFolderError, match="never rewritten"):
        WorkFolder(repo).store("armani", 1, b"{}")
    assert tree(repo) == before


def test_a_gap_is_refused(repo) -> None:
    """A version that is missing would be signed a second time."""
    WorkFolder(repo).store("armani", 3, b"{}")
    with pytest.raises(WorkFolderError, match="version of armani is missing"):
        WorkFolder(repo).load_versions()


def test_a_folder_without_metadata_is_refused(tmp_path) -> None:
    """The sentence says how to make a repository."""
    with pytest.raises(WorkFolderError, match="ceremony init"):
        WorkFolder(tmp_path).load_versions()


def test_a_version_that_is_not_there_is_refused(repo) -> None:
    """The sentence names role and version."""
    with pytest.raises(WorkFolderError, match="no version 7 of armani"):
        WorkFolder(repo).load("armani", 7)


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
