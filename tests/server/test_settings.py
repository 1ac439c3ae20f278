"""Settings name a store of blobs, and do not reveal its secret."""

from datetime import UTC, datetime

import pytest

from server.bootstrap import open_blobs
from server.core.errors import FormatError
from server.settings import Settings, load_settings
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs

S3 = {"HENING_BLOBS_URL": "s3://hening/blobs", "HENING_S3_KEY_ID": "id"}


def now():
    """Return the time."""
    return datetime.now(UTC)


def test_blobs_lie_in_the_state_folder_by_default(tmp_path):
    """Without a setting it is the folder `blobs`."""
    blobs = open_blobs(StateFolder(tmp_path), Settings(), now)
    assert isinstance(blobs, LocalBlobs)
    assert blobs.path("ab" * 32) == tmp_path / "blobs" / "ab" / ("ab" * 32)


def test_a_secret_from_the_environment_or_a_file(tmp_path):
    """Either gives an S3 store, and neither appears in the repr of settings or store."""
    (tmp_path / "secret").write_text("canary-4711\n")
    for more in (
        {"HENING_S3_SECRET": "canary-4711"},
        {"HENING_S3_SECRET_FILE": str(tmp_path / "secret")},
    ):
        settings = load_settings(None, S3 | more)
        blobs = open_blobs(StateFolder(tmp_path), settings, now)
        assert isinstance(blobs, S3Blobs)
        for shown in (settings, blobs, blobs._store, blobs._uploads):
            assert "canary" not in f"{shown!r} {shown!s}"


@pytest.mark.parametrize(
    "broken",
    [{"HENING_PORT": "x"}, {"HENING_S3_SECRETS": "x"}, {"HENING_BLOBS_URL": "ftp://x"}],
    ids=["port", "unknown key", "blobs_url"],
)
def test_an_error_shows_no_secret(tmp_path, broken):
    """Whatever else is wrong with the settings, the message does not quote the secret."""

    def act():
        settings = load_settings(None, S3 | {"HENING_S3_SECRET": "canary-4711"} | broken)
        open_blobs(StateFolder(tmp_path), settings, now)

    with pytest.raises(FormatError) as refused:
        act()
    assert "canary" not in str(refused.value)
