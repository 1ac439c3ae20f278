import os
from pathlib import Path

import pytest

from signer.errors import KeyStoreError
from signer.keys.key_file import SECRET, TRUSTED, check_unchangeable, load_narrow


def _make(folder, mode):
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("forbidden", "mode"), [(SECRET, 0o600), (SECRET, 0o400), (TRUSTED, 0o644), (TRUSTED, 0o600)]
)
def test_a_narrow_file_is_read(tmp_path, forbidden, mode) -> None:
    """Up to the limit."""
    path = _make(tmp_path, mode)
    assert load_narrow(path, "The file", forbidden, 100) == b"content"
    assert load_narrow(path, "The file", forbidden, 3) == b"con"


@pytest.mark.parametrize(
    ("forbidden", "mode", "words"),
    [
        (SECRET, 0o640, "Others may read the file .mode 0640.; run `chmod 600"),
        (SECRET, 0o604, "chmod 600"),
        (TRUSTED, 0o664, "Others may change the file .mode 0664.; run `chmod 644"),
        (TRUSTED, 0o646, "chmod 644"),
    ],
)
def test_a_wide_file_is_refused(tmp_path, forbidden, mode, words) -> None:
    """The sentence says what others may do, and how to end that."""
    with pytest.raises(KeyStoreError, match=words):
        load_narrow(_make(tmp_path, mode), "The file", forbidden, 100)


def test_a_link_is_refused(tmp_path) -> None:
    """Also when it leads to a narrow file."""
    link = tmp_path / "link"
    link.symlink_to(_make(tmp_path, 0o600))
    with pytest.raises(KeyStoreError, match="The file is a symbolic link"):
        load_narrow(link, "The file", SECRET, 100)


def test_what_is_no_file_is_refused_at_once(tmp_path) -> None:
    """A pipe without a writer does not keep the program waiting."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KeyStoreError, match="The file is not a regular file"):
        load_narrow(pipe, "The file", SECRET, 100)


@pytest.mark.parametrize("forbidden", [SECRET, TRUSTED])
def test_a_file_of_another_user_is_refused(tmp_path, give_away, forbidden) -> None:
    """Its mode is narrow, but its owner is not who runs the program."""
    path = _make(tmp_path, 0o600)
    uid = give_away(path)
    with pytest.raises(KeyStoreError, match=rf"^The file belongs to another user .uid {uid}."):
        load_narrow(path, "The file", forbidden, 100)
    with pytest.raises(KeyStoreError, match="The file belongs to another user"):
        check_unchangeable(path, "The file")


def test_what_root_owns_is_trusted() -> None:
    """Nearly every module is such, and the program's user is another."""
    check_unchangeable(Path("/etc/passwd"), "The file")


def test_a_folder_of_another_user_is_refused(tmp_path, give_away) -> None:
    """Who owns the folder can put another file in the place of this one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = _make(folder, 0o644)
    give_away(folder)
    with pytest.raises(KeyStoreError, match=r"older of the file belongs|The file belongs"):
        check_unchangeable(path, "The file")


@pytest.mark.parametrize(
    ("file", "folder", "words"),
    [
        (0o666, 0o755, r"may change the file .mode 0666.; run `chmod go-w .*/(folder/file|link)`"),
        (0o664, 0o755, "may change the file"),
        (0o644, 0o777, r"may change the folder of the file .mode 0777.; run .*/folder`"),
        (0o644, 0o775, "may change the folder of the file"),
    ],
)
def test_what_others_may_change_is_refused(tmp_path, file, folder, words) -> None:
    """The sentence says whether it is the file or its folder; links are followed to their end."""
    inner = tmp_path / "folder"
    inner.mkdir()
    path = _make(inner, file)
    inner.chmod(folder)
    link = tmp_path / "link"
    link.symlink_to(path)
    for place in (path, link):
        with pytest.raises(KeyStoreError, match=words):
            check_unchangeable(place, "The file")
    inner.chmod(0o755)
    path.chmod(0o644)
    check_unchangeable(path, "The file")
    check_unchangeable(link, "The file")


def test_the_folder_of_a_link_counts_too(tmp_path) -> None:
    """Who may change it can let the link lead elsewhere."""
    inner = tmp_path / "folder"
    inner.mkdir()
    (inner / "link").symlink_to(_make(tmp_path, 0o644))
    inner.chmod(0o777)
    with pytest.raises(KeyStoreError, match="may change the folder of the file"):
        check_unchangeable(inner / "link", "The file")
    inner.chmod(0o1777)  # sticky: no other user can replace what is in it
    check_unchangeable(inner / "link", "The file")
