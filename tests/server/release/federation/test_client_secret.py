"""The client's secret: from a file that nobody else reads."""

import pytest

from server.core.errors import FormatError, TrustError
from server.release.federation.client_secret import load_client_secret


def write(tmp_path, octets, mode=0o600):
    """Write a file."""
    file = tmp_path / "secret"
    file.write_bytes(octets)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret(tmp_path, mode):
    """What the file holds, without the end of its line."""
    assert load_client_secret(write(tmp_path, b"a b+c/\n", mode)) == "a b+c/"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read(tmp_path, mode):
    """It is refused, and the sentence says what to do and not what is in it."""
    with pytest.raises(TrustError, match="chmod 600") as refused:
        load_client_secret(write(tmp_path, b"canary", mode))
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("octets", [b"", b"\n", b"\xff", b"a\nb", b"x" * 1025])
def test_what_is_no_secret(tmp_path, octets):
    """Empty, binary, several lines, or too long."""
    with pytest.raises(FormatError):
        load_client_secret(write(tmp_path, octets))
