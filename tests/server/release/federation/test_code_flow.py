"""The authorisation code flow: requests, accepted answers, and client authentication."""

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from server.core.errors import FormatError, TrustError
from server.release.auth.accounts import change_account, disable_account, enable_account
from server.release.auth.principal import command_line_principal
from server.release.errors import AuthenticationError
from server.release.federation.code_flow import Attempt, CodeFlow, load_client_secret, log_in
from server.release.federation.provider import Expected
from server.storage.database import open_database
from server.storage.errors import StorageError
from tests.cases import case, refuse_each
from tests.server.release.auth.issue import new_account

ISSUER = "https://login.example"
BACK = "https://control.example/console/callback"
PAGE = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth?realm=team",
    "token_endpoint": f"{ISSUER}/token",
}
ATTEMPT = Attempt("s" * 64)


class Provider:
    """A provider that records the flow's requests."""

    def __init__(self, **page):
        self.expected = Expected(ISSUER, "hening console")
        self.page = PAGE | page
        self.verified, self.sent = [], []
        self.answer = (200, {"id_token": "a.b.c", "access_token": "unused"})

    async def discover(self):
        """Return the provider's metadata."""
        return self.page

    async def verify(self, text, nonce):
        """Record the token to be verified."""
        self.verified.append((text, nonce))
        return "u-1"

    async def post(self, url, fields, headers):
        """Record the request and return the prepared answer."""
        self.sent.append((url, dict(fields), dict(headers)))
        return self.answer


def flow(provider, secret=""):
    """Return a code flow at the provider."""
    return CodeFlow(provider, BACK, secret, provider.post)


async def test_authorisation_request():
    """The browser is sent to the endpoint with the code challenge of RFC 7636.

    The endpoint's own query is kept.
    """
    address = urlsplit(await flow(Provider()).begin(ATTEMPT))
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ISSUER}/auth"
    query = {name: value[0] for name, value in parse_qs(address.query).items()}
    digest = hashlib.sha256(ATTEMPT.verifier.encode()).digest()
    assert query == {
        "realm": "team",
        "response_type": "code",
        "client_id": "hening console",
        "redirect_uri": BACK,
        "scope": "openid",
        "state": ATTEMPT.state,
        "nonce": ATTEMPT.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    assert ATTEMPT.secret not in address.query


def test_derived_values_differ():
    """State, nonce and verifier differ from each other and between browsers."""
    made = {
        value
        for attempt in (ATTEMPT, Attempt("t" * 64))
        for value in (attempt.state, attempt.nonce, attempt.verifier)
    }
    assert len(made) == 6
    assert 43 <= len(ATTEMPT.verifier) <= 128  # RFC 7636 section 4.1
    assert ATTEMPT.secret not in repr(ATTEMPT)


async def test_a_public_client():
    """A public client sends its id in the form, and the code verifier."""
    provider = Provider()
    assert await flow(provider).complete(ATTEMPT, {"state": ATTEMPT.state, "code": "c"}) == "u-1"
    url, fields, headers = provider.sent[0]
    assert (url, headers) == (f"{ISSUER}/token", {})
    assert fields == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": BACK,
        "code_verifier": ATTEMPT.verifier,
        "client_id": "hening console",
    }
    assert provider.verified == [("a.b.c", ATTEMPT.nonce)]


async def test_a_confidential_client():
    """A client with a secret uses Basic authentication, RFC 6749 section 2.3.1.

    If the provider does not support Basic, the secret is sent in the form.
    """
    query = {"state": ATTEMPT.state, "code": "c"}
    provider = Provider()
    await flow(provider, "a+b:c").complete(ATTEMPT, query)
    _, fields, headers = provider.sent[0]
    assert headers == {
        "Authorization": "Basic " + base64.b64encode(b"hening+console:a%2Bb%3Ac").decode()
    }
    assert "client_secret" not in fields
    provider = Provider(token_endpoint_auth_methods_supported=["client_secret_post"])
    await flow(provider, "a+b:c").complete(ATTEMPT, query)
    _, fields, headers = provider.sent[0]
    assert (headers, fields["client_secret"]) == ({}, "a+b:c")


async def test_answer_to_another_login_is_refused():
    """An answer that does not belong to this login is refused without a request.

    RFC 9207 section 2.4: if the provider always sends its issuer, an answer without it is refused.
    """
    provider, state = Provider(), {"state": ATTEMPT.state}
    good = state | {"code": "c"}
    for query in (
        *({}, {"code": "c"}, good | {"state": ATTEMPT.nonce}, state, state | {"code": ""}),
        *(state | {"code": "c" * 4097}, good | {"iss": "https://evil.example"}),
        good | {"error": "access_denied"},
    ):
        with case(query), pytest.raises(AuthenticationError):
            await flow(provider).complete(ATTEMPT, query)
    assert provider.sent == []
    naming = Provider(authorization_response_iss_parameter_supported=True)
    with pytest.raises(AuthenticationError):
        await flow(naming).complete(ATTEMPT, good)
    assert await flow(naming).complete(ATTEMPT, good | {"iss": ISSUER}) == "u-1"


async def test_errors_of_the_provider():
    """An invalid code is an authentication error, an unknown client a storage error.

    A missing token endpoint, or one without TLS, is a storage error, too.
    """
    for answer, error in (
        ((400, {"error": "invalid_grant"}), AuthenticationError),
        ((200, {}), AuthenticationError),
        ((200, {"id_token": 1}), AuthenticationError),
        ((401, {}), StorageError),
        ((400, {"error": "invalid_client"}), StorageError),
    ):
        provider = Provider()
        provider.answer = answer
        with case(answer), pytest.raises(error):
            await flow(provider).complete(ATTEMPT, {"state": ATTEMPT.state, "code": "c"})
        assert provider.verified == []
    for endpoint in (None, 1, "http://login.example/auth", "ftp://x"):
        with case(endpoint), pytest.raises(StorageError):
            await flow(Provider(authorization_endpoint=endpoint)).begin(ATTEMPT)


def test_client_secret_file(tmp_path):
    """The secret is the file's single line; empty, binary and long files are refused.

    A file that others can read is refused, and the message does not contain the secret.
    """
    file = tmp_path / "secret"

    def load(data, mode=0o600):
        file.unlink(missing_ok=True)
        file.write_bytes(data)
        file.chmod(mode)
        return load_client_secret(file)

    for mode in (0o600, 0o400):
        assert load(b"a b+c/\n", mode) == "a b+c/"
    for mode in (0o640, 0o604, 0o660):
        with pytest.raises(TrustError, match="chmod 600") as refused:
            load(b"canary", mode)
        assert "canary" not in str(refused.value)
    refuse_each(FormatError, load, [b"", b"\n", b"\xff", b"a\nb", b"x" * 1025])


NOW = 1_800_000_000


class TrustingProvider:
    """A provider that accepts every token and returns its subject."""

    async def verify(self, text):
        """Return the token's subject."""
        return json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))["sub"]


def login(at):
    """Return an ID token issued at a time; its signature is not verified."""
    claims = json.dumps({"iat": at, "sub": "subject-of-ani"}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"


async def test_logins_before_an_account_was_disabled_are_invalid(place):
    """Logins from before an account was disabled stay invalid after it is enabled."""
    operator = command_line_principal("root")
    async with open_database(place) as sessions:

        async def may(at):
            try:
                return (await log_in(sessions, TrustingProvider(), login(at))).actor
            except AuthenticationError:
                return None

        async with sessions.begin() as session:
            for name in ("boss", "ani"):
                await new_account(session, name, at=NOW)
            await change_account(session, operator, name="ani", subject="subject-of-ani", at=NOW)
        assert await may(NOW) == "ani/login"
        async with sessions.begin() as session:
            await disable_account(session, operator, name="ani", at=NOW + 100)
        assert [await may(at) for at in (NOW, NOW + 100, NOW + 1000)] == [None] * 3
        async with sessions.begin() as session:
            await enable_account(session, operator, name="ani", at=NOW + 110)
        assert [await may(at) for at in (NOW, NOW + 100, NOW + 160)] == [None] * 3
        assert await may(NOW + 161) == "ani/login"
