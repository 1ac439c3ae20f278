import os

import pytest

from signer.errors import KeyStoreError
from signer.keys.narrow_file import SECRET, TRUSTED, load_narrow


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
    """A pipe that nobody writes to does not keep the program waiting."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KeyStoreError, match="The file is not a regular file"):
        load_narrow(pipe, "The file", SECRET, 100)
