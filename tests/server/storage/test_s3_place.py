"""Where blobs lie in S3, as the settings say it."""

import os

import pytest

from server.core.errors import FormatError
from server.storage.s3_place import S3Place, decode_place, load_secret
from server.storage.s3_signature import S3Key


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://hening", "hening", ""),
        ("s3://hening/", "hening", ""),
        ("s3://a-1.b/x/Y_z.0/", "a-1.b", "x/Y_z.0"),
    ],
)
def test_urls(url, bucket, prefix):
    """Bucket and prefix are read; the endpoint is that of the region where none is given."""
    place = decode_place(url, "", "eu-central-1", "id", "secret")
    endpoint = "https://s3.eu-central-1.amazonaws.com"
    assert place == S3Place(bucket, prefix, endpoint, "eu-central-1", S3Key("id", "secret"))
    assert place.credential()["secret_access_key"] == "secret"
    assert "secret" not in repr(place)
    assert (
        decode_place(url, "http://127.0.0.1:8333/", "x", "", "").endpoint == "http://127.0.0.1:8333"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("s3://", "", "x", "", ""), "blobs_url"),
        (("s3://UPPER", "", "x", "", ""), "blobs_url"),
        (("s3://hening//x", "", "x", "", ""), "blobs_url"),
        (("s3://hening/x?y", "", "x", "", ""), "blobs_url"),
        (("file:///var/blobs", "", "x", "", ""), "blobs_url"),
        (("s3://hening", "127.0.0.1:8333", "x", "", ""), "s3_endpoint"),
        (("s3://hening", "http://h/x", "x", "", ""), "s3_endpoint"),
        (("s3://hening", "http://user:word@h", "x", "", ""), "s3_endpoint"),
        (("s3://hening", "", "EU", "", ""), "s3_region"),
        (("s3://hening", "", "x", "id", ""), "go together"),
        (("s3://hening", "", "x", "", "canary-secret"), "go together"),
    ],
)
def test_what_is_no_place(arguments, sentence):
    """It is refused in a sentence that names the setting and quotes no secret."""
    with pytest.raises(FormatError, match=sentence) as refused:
        decode_place(*arguments)
    assert "canary" not in str(refused.value)


def test_a_machine_with_a_role():
    """Without key and secret there is no key, and nothing to sign with."""
    place = decode_place("s3://hening", "", "us-east-1", "", "")
    assert place.key is None
    with pytest.raises(FormatError, match="no S3 key"):
        place.credential()


def test_secret_files(tmp_path):
    """A line in a file is read; a pipe, a long file and one that is no text are refused."""
    file = tmp_path / "secret"
    file.write_bytes(b"secret-4711\n")
    assert load_secret(file) == "secret-4711"
    for octets in (b"x" * 1025, b"\xff"):
        file.write_bytes(octets)
        with pytest.raises(FormatError):
            load_secret(file)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError):
        load_secret(tmp_path / "pipe")
