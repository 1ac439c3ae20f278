"""The cloud's folder and its pepper: made once, stored separately, and read with checks."""

import os

import pytest

from server.cloud.folder import CloudFolder, load_cloud_settings, make_cloud
from server.cloud.pepper.file import load_pepper
from server.core.errors import FormatError
from server.storage.errors import StorageError


@pytest.fixture
def made(tmp_path):
    """Give a folder and its pepper."""
    folder, pepper = CloudFolder(tmp_path / "cloud"), tmp_path / "pepper"
    make_cloud(folder, pepper, "id", os.urandom)
    return folder, pepper


def test_what_is_made_is_read(made):
    """The region from the file, other settings from variables and options."""
    folder, pepper = made
    environment = {"HENING_CLOUD_PORT": "1234", "HENING_PORT": "99", "HOME": "/"}
    settings = load_cloud_settings(folder, environment, sign_up="open", host=None)
    assert (settings.region, settings.port, settings.sign_up) == ("id", 1234, "open")
    secrets = load_pepper(pepper, os.geteuid()).secrets("id", os.urandom)
    sealed = secrets.seal(b"name", "accounts", "1", "name")
    again = load_pepper(pepper, os.geteuid()).secrets("id", os.urandom)
    assert again.open(sealed, "accounts", "1", "name") == b"name"
    assert pepper.stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_over_another(made, tmp_path):
    """Neither over a cloud nor over a pepper; both stay unchanged."""
    folder, pepper = made
    before = pepper.read_bytes()
    for place, file in ((folder, tmp_path / "other"), (CloudFolder(tmp_path / "new"), pepper)):
        with pytest.raises(StorageError, match="nothing was changed"):
            make_cloud(place, file, "de", os.urandom)
    assert pepper.read_bytes() == before
    assert load_cloud_settings(folder, {}).region == "id"


def test_the_pepper_is_outside_of_the_folder(tmp_path):
    """Also if the path goes in and out of it."""
    folder = CloudFolder(tmp_path / "cloud")
    for path in (folder.root / "pepper", tmp_path / "x" / ".." / "cloud" / "pepper"):
        with pytest.raises(StorageError, match="a copy of that folder would hold the pepper"):
            make_cloud(folder, path, "id", os.urandom)
    assert not folder.root.exists()


@pytest.mark.parametrize("region", ["", "I", "a|b", "../x", "x" * 40])
def test_a_region_is_a_short_word(tmp_path, region):
    """Nothing is made for an invalid region."""
    with pytest.raises(FormatError, match="settings are malformed"):
        make_cloud(CloudFolder(tmp_path / "cloud"), tmp_path / "pepper", region, os.urandom)
    assert list(tmp_path.iterdir()) == []


def test_a_pepper_that_others_may_read_is_refused(made):
    """So is a missing or a malformed pepper."""
    _, pepper = made
    pepper.chmod(0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        load_pepper(pepper, os.geteuid())
    pepper.chmod(0o600)
    pepper.write_bytes(b"pepper 00\n")
    with pytest.raises(FormatError, match="holds no pepper"):
        load_pepper(pepper, os.geteuid())
    pepper.unlink()
    with pytest.raises(StorageError, match="restore the pepper"):
        load_pepper(pepper, os.geteuid())


def test_without_init_there_is_no_cloud(tmp_path):
    """And an unknown setting is an error."""
    folder = CloudFolder(tmp_path / "cloud")
    with pytest.raises(StorageError, match="cloud init"):
        load_cloud_settings(folder, {})
    make_cloud(folder, tmp_path / "pepper", "id", os.urandom)
    with pytest.raises(FormatError, match="colour"):
        load_cloud_settings(folder, {"HENING_CLOUD_COLOUR": "red"})
