"""The place of blobs in S3, and signatures of requests."""

import os
from datetime import UTC, datetime

import pytest

from server.core.errors import FormatError
from server.storage.s3_client import S3Key, S3Place, decode_place, load_secret, sign_request
from tests.cases import case


def test_valid_places():
    """Bucket and prefix are parsed; the default endpoint is that of the region.

    Without id and secret there is no key, and a request cannot be signed.
    """
    endpoint = "https://s3.eu-central-1.amazonaws.com"
    for url, bucket, prefix in (
        ("s3://hening", "hening", ""),
        ("s3://hening/", "hening", ""),
        ("s3://a-1.b/x/Y_z.0/", "a-1.b", "x/Y_z.0"),
    ):
        place = decode_place(url, "", "eu-central-1", "id", "secret")
        assert place == S3Place(bucket, prefix, endpoint, "eu-central-1", S3Key("id", "secret"))
        assert place.credential()["secret_access_key"] == "secret"
        assert "secret" not in repr(place)
    place = decode_place("s3://hening", "http://127.0.0.1:8333/", "x", "", "")
    assert (place.endpoint, place.key) == ("http://127.0.0.1:8333", None)
    with pytest.raises(FormatError, match="no S3 key"):
        place.credential()


def test_invalid_places():
    """An invalid place is refused; the message names the setting and no secret."""
    urls = ("s3://", "s3://UPPER", "s3://hening//x", "s3://hening/x?y", "file:///var/blobs")
    endpoints = ("127.0.0.1:8333", "http://h/x", "http://user:word@h")
    for arguments, sentence in (
        *(((url, "", "x", "", ""), "blobs_url") for url in urls),
        *((("s3://hening", each, "x", "", ""), "s3_endpoint") for each in endpoints),
        (("s3://hening", "", "EU", "", ""), "s3_region"),
        (("s3://hening", "", "x", "id", ""), "go together"),
        (("s3://hening", "", "x", "", "canary-secret"), "go together"),
    ):
        with case(arguments), pytest.raises(FormatError, match=sentence) as refused:
            decode_place(*arguments)
        assert "canary" not in str(refused.value)


def test_load_secret(tmp_path):
    """A file with one line is read; a pipe, a long file and a binary one are refused."""
    file = tmp_path / "secret"
    file.write_bytes(b"secret-4711\n")
    assert load_secret(file) == "secret-4711"
    for data in (b"x" * 1025, b"\xff"):
        file.write_bytes(data)
        with pytest.raises(FormatError):
            load_secret(file)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError):
        load_secret(tmp_path / "pipe")


KEY = S3Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


def test_signatures_of_the_aws_reference():
    """Signatures equal the examples of the AWS reference.

    Special characters are percent-encoded; a slash is encoded in a value, but not in a path.
    """
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for query, expected, signature in (
        (  # get bucket lifecycle
            {"lifecycle": ""},
            "/?lifecycle=",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (  # list objects
            {"prefix": "J", "max-keys": "2"},
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ):
        found, headers = sign_request("GET", HOST, "/", query, KEY, "us-east-1", NOW)
        assert found == expected
        assert headers == {
            "host": HOST,
            "x-amz-content-sha256": empty,
            "x-amz-date": "20130524T000000Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1"
            "/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
            f"Signature={signature}",
        }
    target, _ = sign_request("GET", HOST, "/a b/ü", {"k/": "v +"}, KEY, "us-east-1", NOW)
    assert target == "/a%20b/%C3%BC?k%2F=v%20%2B"
    assert KEY.secret not in repr(KEY)
    assert KEY.id in repr(KEY)
