"""The cloud's folder, its pepper, its body store and its TLS."""

import os

import pytest

from server.cloud.app import load_tls
from server.cloud.pepper.file import load_pepper
from server.cloud.settings import CloudFolder, CloudSettings, load_cloud_settings, make_cloud
from server.cloud.storage.bodies import LocalBodies, open_bodies
from server.cloud.storage.s3_bodies import S3Bodies
from server.core.errors import FormatError
from server.storage.errors import StorageError
from tests.cases import case


@pytest.fixture
def made(tmp_path):
    """Return a cloud's folder and its pepper file."""
    folder, pepper = CloudFolder(tmp_path / "cloud"), tmp_path / "pepper"
    make_cloud(folder, pepper, "id", os.urandom)
    return folder, pepper


def test_settings_of_a_new_cloud(made):
    """The region is read from the file, other settings from variables and options."""
    folder, pepper = made
    environment = {"HENING_CLOUD_PORT": "1234", "HENING_PORT": "99", "HOME": "/"}
    settings = load_cloud_settings(folder, environment, sign_up="open", host=None)
    assert (settings.region, settings.port, settings.sign_up) == ("id", 1234, "open")
    secrets = load_pepper(pepper, os.geteuid()).secrets("id", os.urandom)
    sealed = secrets.seal(b"name", "accounts", "1", "name")
    again = load_pepper(pepper, os.geteuid()).secrets("id", os.urandom)
    assert again.open(sealed, "accounts", "1", "name") == b"name"
    assert pepper.stat().st_mode & 0o777 == 0o600


def test_existing_files_are_not_overwritten(made, tmp_path):
    """`make_cloud` refuses an existing cloud or pepper, and both stay unchanged.

    It refuses a pepper inside the folder, even if the path leaves the folder and comes back.
    """
    folder, pepper = made
    before = pepper.read_bytes()
    for place, file in ((folder, tmp_path / "other"), (CloudFolder(tmp_path / "new"), pepper)):
        with pytest.raises(StorageError, match="nothing was changed"):
            make_cloud(place, file, "de", os.urandom)
    assert pepper.read_bytes() == before
    assert load_cloud_settings(folder, {}).region == "id"
    third = CloudFolder(tmp_path / "third")
    for path in (third.root / "pepper", tmp_path / "x" / ".." / "third" / "pepper"):
        with pytest.raises(StorageError, match="a copy of that folder would include the pepper"):
            make_cloud(third, path, "id", os.urandom)
    assert not third.root.exists()


def test_a_pepper_that_others_may_read_is_refused(made):
    """A pepper that others can read is refused, and so is a missing or malformed one."""
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


def test_refused_regions_and_settings(tmp_path):
    """An invalid region makes no cloud; a missing cloud and an unknown setting are errors."""
    folder = CloudFolder(tmp_path / "cloud")
    for region in ("", "I", "a|b", "../x", "x" * 40):
        with case(region), pytest.raises(FormatError, match="settings are malformed"):
            make_cloud(folder, tmp_path / "pepper", region, os.urandom)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="cloud init"):
        load_cloud_settings(folder, {})
    make_cloud(folder, tmp_path / "pepper", "id", os.urandom)
    with pytest.raises(FormatError, match="colour"):
        load_cloud_settings(folder, {"HENING_CLOUD_COLOUR": "red"})


def settings(**values):
    """Return settings of a region."""
    return CloudSettings(region="id", **values)


def test_body_store_of_the_settings(tmp_path):
    """Bodies are stored in the folder, or in S3 with a key from a file."""
    folder, secret = CloudFolder(tmp_path), tmp_path / "secret"
    secret.write_text("secret\n")
    assert isinstance(open_bodies(folder, settings(), bytes, float), LocalBodies)
    s3 = {"blobs_url": "s3://bucket/cloud", "s3_key_id": "id", "s3_secret_file": str(secret)}
    assert isinstance(open_bodies(folder, settings(**s3), bytes, float), S3Bodies)
    with pytest.raises(FormatError, match="blobs_url"):
        open_bodies(folder, settings(blobs_url="https://bucket"), bytes, float)
    with pytest.raises(FormatError, match="go together"):
        open_bodies(folder, settings(blobs_url="s3://bucket/cloud", s3_key_id="id"), bytes, float)


def test_tls_is_required_beyond_loopback():
    """Beyond loopback, TLS is required in the server or in a proxy."""
    assert load_tls(settings()) is None
    assert load_tls(settings(host="::1")) is None
    for host in ("0.0.0.0", "cloud.example.org", "10.0.0.1"):
        with pytest.raises(FormatError, match="network unencrypted"):
            load_tls(settings(host=host))
    assert load_tls(settings(host="10.0.0.1", behind_proxy=True)) is None
    with pytest.raises(FormatError, match="go together"):
        load_tls(settings(tls_cert="cert.pem"))
    with pytest.raises(FormatError, match="cannot be used"):
        load_tls(settings(tls_cert="/nowhere/cert.pem", tls_key="/nowhere/key.pem"))
