import pytest

from server.core.errors import FormatError
from server.storage.bounded import read_bounded


def test_read_bounded(tmp_path):
    """A file over the limit, a folder, a symbolic link and a missing file are refused."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"12345")
    link.symlink_to(file)
    assert read_bounded(file, 5) == b"12345"
    with pytest.raises(FormatError, match="larger than its limit of 4"):
        read_bounded(file, 4)
    for path in (link, tmp_path, tmp_path / "not there"):
        with pytest.raises(FormatError, match="is not a regular file"):
            read_bounded(path, 5)
