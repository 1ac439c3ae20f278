"""Signatures of Standard Webhooks, held against its vector and against openssl."""

import base64
import subprocess

import pytest

from server.core.errors import FormatError
from server.release.webhooks.signature import make_secret, sign_message

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_vector_of_the_reference_libraries():
    """The specification's own libraries test with this secret, id, time and body."""
    headers = sign_message(
        [SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("body", [b"", b"{}\n", "ü\0".encode(), bytes(range(256)) * 9])
def test_openssl_computes_the_same(body):
    """HMAC-SHA256 over ID.TIME.BODY with the decoded secret, computed by another program."""
    secret = make_secret(lambda count: bytes(range(count)))
    done = subprocess.run(
        [
            *("openssl", "mac", "-digest", "SHA256", "-binary"),
            *("-macopt", f"hexkey:{bytes(range(32)).hex()}", "HMAC"),
        ],
        input=b"evt_1.1800000000." + body,
        capture_output=True,
        check=True,
    )
    signature = sign_message([secret], "evt_1", 1_800_000_000, body)["webhook-signature"]
    assert signature == f"v1,{base64.b64encode(done.stdout).decode()}"


def test_two_secrets_sign_beside_each_other():
    """Each as it would alone, the newest first, with a space between: the specification's list."""
    one, other = (make_secret(lambda n, i=i: bytes([i]) * n) for i in (1, 2))
    alone = [sign_message([each], "evt_1", 7, b"{}")["webhook-signature"] for each in (one, other)]
    both = sign_message([one, other], "evt_1", 7, b"{}")["webhook-signature"]
    assert both.split(" ") == alone
    assert alone[0] != alone[1]


def test_a_secret_is_random_and_of_the_specified_form():
    """Thirty-two octets of what is passed in, as base64 behind `whsec_`: 24 to 64 are allowed."""
    secret = make_secret(lambda count: b"\xff" * count)
    assert secret == "whsec_" + base64.b64encode(b"\xff" * 32).decode()


@pytest.mark.parametrize(
    ("secret", "message_id"),
    [("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "evt_1"), ("whsec_!", "evt_1"), (SECRET, "evt.1")],
    ids=["no prefix", "no base64", "a full stop"],
)
def test_what_cannot_be_signed(secret, message_id):
    """Another form of secret, or an id that would make the signed text ambiguous, is refused."""
    with pytest.raises(FormatError):
        sign_message([secret], message_id, 1, b"")
