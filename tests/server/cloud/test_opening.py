"""Store and TLS as configured by the settings."""

import pytest

from server.cloud.folder import CloudFolder
from server.cloud.opening import load_tls, open_bodies
from server.cloud.settings import CloudSettings
from server.cloud.storage.bodies import LocalBodies
from server.cloud.storage.s3_bodies import S3Bodies
from server.core.errors import FormatError


def settings(**values):
    """Return settings of a region."""
    return CloudSettings(region="id", **values)


def test_bodies_lie_where_the_settings_say(tmp_path):
    """In the folder, or in S3 with a key from a file."""
    folder, secret = CloudFolder(tmp_path), tmp_path / "secret"
    secret.write_text("secret\n")
    assert isinstance(open_bodies(folder, settings(), bytes, float), LocalBodies)
    s3 = {"blobs_url": "s3://bucket/cloud", "s3_key_id": "id", "s3_secret_file": str(secret)}
    assert isinstance(open_bodies(folder, settings(**s3), bytes, float), S3Bodies)
    with pytest.raises(FormatError, match="blobs_url"):
        open_bodies(folder, settings(blobs_url="https://bucket"), bytes, float)
    with pytest.raises(FormatError, match="go together"):
        open_bodies(folder, settings(blobs_url="s3://bucket/cloud", s3_key_id="id"), bytes, float)


def test_no_token_crosses_a_network_in_the_clear():
    """Beyond loopback, TLS is required here or in a proxy."""
    assert load_tls(settings()) is None
    assert load_tls(settings(host="::1")) is None
    for host in ("0.0.0.0", "cloud.example.org", "10.0.0.1"):
        with pytest.raises(FormatError, match="tokens in the clear"):
            load_tls(settings(host=host))
    assert load_tls(settings(host="10.0.0.1", behind_proxy=True)) is None
    with pytest.raises(FormatError, match="go together"):
        load_tls(settings(tls_cert="cert.pem"))
    with pytest.raises(FormatError, match="cannot be used"):
        load_tls(settings(tls_cert="/nowhere/cert.pem", tls_key="/nowhere/key.pem"))
