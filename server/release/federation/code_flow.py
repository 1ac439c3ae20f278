"""Login with a browser: the authorization code flow, with PKCE, state and nonce.

Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, and RFC 9700 for clients. All values of a
login are derived from one secret in a cookie of the browser, so the server stores nothing for
unfinished logins.
"""

import base64
import hashlib
import hmac
import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from server.core.errors import FormatError, TrustError
from server.release.auth.accounts import account_codenames, find_by_subject
from server.release.auth.principal import ROLE_PERMISSIONS, Principal, Role
from server.release.errors import AuthenticationError
from server.release.federation.provider import (
    LEEWAY_SECONDS,
    Provider,
    check_address,
    issued_at,
    post_form,
)
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.durable import is_private
from server.storage.errors import StorageError

Post = Callable[
    [str, Mapping[str, str], Mapping[str, str]], Awaitable[tuple[int, Mapping[str, Any]]]
]
CODE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Attempt:
    """The values of one login that the provider must return, derived from the browser's secret."""

    secret: str = field(repr=False)

    @property
    def state(self) -> str:
        """Binds the response to the browser that began the login."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """Binds the ID token to this login."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """Makes a stolen code useless (RFC 7636)."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """The hash of the verifier; the provider receives it first."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _derive(self, purpose: str) -> str:
        return hmac.new(self.secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


class CodeFlow:
    """Logins at `provider`, which sends the browser back to `redirect_uri`.

    The client id is the audience of the provider's ID tokens. Without a `secret` this server is a
    public client.
    """

    def __init__(
        self, provider: Provider, redirect_uri: str, secret: str = "", post: Post = post_form
    ) -> None:
        self._provider = provider
        self._client = provider.expected.audience
        self._redirect_uri = redirect_uri
        self._secret = secret
        self._post = post

    async def begin(self, attempt: Attempt) -> str:
        """Return the provider's URL to which the browser is redirected."""
        endpoint = _endpoint(await self._provider.discover(), "authorization_endpoint")
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._redirect_uri,
            "scope": "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        mark = "&" if urlsplit(endpoint).query else "?"
        return f"{endpoint}{mark}{urlencode(query)}"

    async def complete(self, attempt: Attempt, query: Mapping[str, str]) -> str:
        """Return the subject that logged in, from the query of the redirect back.

        Raises AuthenticationError if `query` is not a successful response to `attempt`,
        StorageError if the provider does not answer or rejects this server as a client.
        """
        page = await self._provider.discover()
        code = self._read_code(attempt, query, page)
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers: dict[str, str] = {}
        methods = page.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self._secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(self._client)}:{quote_plus(self._secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            fields["client_id"] = self._client
            fields |= {"client_secret": self._secret} if self._secret else {}
        status, answer = await self._post(_endpoint(page, "token_endpoint"), fields, headers)
        if status == 401 or answer.get("error") in {"invalid_client", "unauthorized_client"}:
            raise StorageError(
                "the identity provider does not accept this server as its client: check"
                " oidc_audience and oidc_client_secret_file."
            )
        text = answer.get("id_token")
        if status != 200 or not isinstance(text, str):
            raise _refused()
        return await self._provider.verify(text, attempt.nonce)

    def _read_code(
        self, attempt: Attempt, query: Mapping[str, str], page: Mapping[str, Any]
    ) -> str:
        # RFC 9207: do not send another provider's code to this one.
        says = page.get("authorization_response_iss_parameter_supported") is True
        issuer = query.get("iss", "" if says else self._provider.expected.issuer)
        if (
            not hmac.compare_digest(query.get("state", "").encode(), attempt.state.encode())
            or issuer != self._provider.expected.issuer
            or "error" in query
        ):
            raise _refused()
        code = query.get("code", "")
        if not 1 <= len(code) <= CODE_LIMIT:
            raise _refused()
        return code


def _endpoint(page: Mapping[str, Any], name: str) -> str:
    address = page.get(name)
    try:
        if isinstance(address, str):
            check_address(address)
            return address
    except FormatError as error:
        raise StorageError(f"the identity provider's {name} cannot be used.") from error
    raise StorageError(f"the identity provider has no {name}: check oidc_issuer.")


def _refused() -> AuthenticationError:
    return AuthenticationError("the login failed: start it again.")


SECRET_LIMIT = 1024  # bytes


def load_client_secret(file: Path) -> str:
    """Return the secret from a file with nothing else in it, such as a systemd credential.

    Raises TrustError if other users may read the file, FormatError for an invalid secret.
    """
    secret = read_bounded(file, SECRET_LIMIT)
    found = file.stat()
    if not is_private(found, os.geteuid()):
        mode = stat.S_IMODE(found.st_mode)
        raise TrustError(f"{file} has mode {mode:04o}: run `chmod 600 {file}`, others may read it.")
    text = secret.decode("ascii", errors="replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise FormatError(f"{file} does not hold a client secret.")
    return text


LOGIN = "login"
"""The token id of a login in the audit log."""


async def log_in(sessions: Sessions, provider: Provider, text: str) -> Principal:
    """Return the principal of the ID token `text`, with the present rights of its account.

    A login never creates an account. Raises AuthenticationError for an invalid token, for a subject
    without an account, for a disabled account, and for an account that was disabled after the token
    was issued. The message is the same for every reason.
    """
    subject = await provider.verify(text)
    async with sessions() as session:
        account = await find_by_subject(session, subject)
    # The provider's clock may be ahead: a token issued before the disabling must not seem newer.
    ended = None if account is None else account.logins_from
    is_over = ended is not None and issued_at(text) <= ended + LEEWAY_SECONDS
    if account is None or account.disabled_at is not None or is_over:
        raise AuthenticationError("this needs a valid token: ask an admin for one.")
    role = Role(account.role)
    return Principal(account.name, role, ROLE_PERMISSIONS[role], account_codenames(account), LOGIN)
