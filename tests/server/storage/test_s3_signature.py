"""Signatures are those of the examples in Amazon's S3 API reference."""

from datetime import UTC, datetime

import pytest

from server.storage.s3_signature import S3Key, sign_request

KEY = S3Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("query", "target", "signature"),
    [
        (
            {"lifecycle": ""},
            "/?lifecycle=",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            {"prefix": "J", "max-keys": "2"},
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get bucket lifecycle", "list objects"],
)
def test_examples_of_the_reference(query, target, signature):
    """Target, credential, signed headers and signature are as printed there."""
    found, headers = sign_request("GET", HOST, "/", query, KEY, "us-east-1", NOW)
    assert found == target
    assert headers == {
        "host": HOST,
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date": "20130524T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        f"aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
    }


def test_what_is_encoded():
    """Spaces and other signs are percent-encoded, a slash in a value too, and in a path not."""
    target, _ = sign_request("GET", HOST, "/a b/ü", {"k/": "v +"}, KEY, "us-east-1", NOW)
    assert target == "/a%20b/%C3%BC?k%2F=v%20%2B"


def test_a_secret_is_not_shown():
    """A key prints its id alone."""
    assert KEY.secret not in repr(KEY)
    assert KEY.id in repr(KEY)
