"""`/api/v1/authentication/`: sign up, log in, log out, and change the password."""

from typing import Annotated, Literal

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import (
    NewOwner,
    add_owner,
    change_keys,
    find_owner,
    is_reserved,
    load_owner,
    spend_code,
)
from server.cloud.accounts.sessions import (
    Claim,
    PasswordResponse,
    Response,
    end_others,
    end_session,
    hash_token,
    lock_keys,
    make_challenge,
    refuse_login,
    verify_claim,
)
from server.cloud.errors import CloudError
from server.cloud.owner.page import make_link
from server.cloud.routing import Call, Route, Services, decode
from server.cloud.settings import SignUp
from server.cloud.storage.models import Session
from server.storage.database import run_again

PREFIX = "/api/v1/authentication"
ID_BYTES, TOKEN_BYTES = 16, 32

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=150)]
_Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Wrap = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1024)]


class User(msgspec.Struct):
    """A name, and an email address by which others can find the account."""

    username: _Name
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""


class SignUpRequest(msgspec.Struct):
    """The body of a sign-up request."""

    user: User
    salt: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    loginPubkey: _Key  # noqa: N815 - the protocol's name
    pubkey: _Key
    encryptedContent: _Wrap  # noqa: N815


class ChallengeRequest(msgspec.Struct):
    """The name to log in with."""

    username: _Name


class Challenge(msgspec.Struct):
    """The salt to derive the login key from, and the challenge to sign with it."""

    salt: bytes
    challenge: bytes
    version: Literal[1] = 1


class SignedResponse(msgspec.Struct):
    """A response's signed bytes and their signature."""

    response: bytes
    signature: bytes


class Account(msgspec.Struct):
    """An account as a login returns it; `email` is empty, as only a hash of it is stored."""

    username: str
    email: str
    pubkey: bytes
    encryptedContent: bytes  # noqa: N815


class Login(msgspec.Struct):
    """A new session."""

    token: str
    user: Account


class Link(msgspec.Struct):
    """A link to the owner's page, valid for ten minutes."""

    url: str


async def is_etebase(_: Call) -> None:
    """Confirm that this server speaks the Etebase protocol."""


async def sign_up(call: Call) -> Login:
    """Create an account if the settings allow it, and log in."""
    services, body = call.services, call.body
    if services.settings.sign_up is SignUp.CLOSED:
        raise CloudError(403, "signup_closed", "sign-up is closed; ask the operator.")
    owner = NewOwner(
        name=body.user.username,
        address=body.user.email,
        salt=body.salt,
        login_key=body.loginPubkey,
        wrap=body.encryptedContent,
        public_key=body.pubkey,
    )
    now = services.now()
    account, quota = services.draw(ID_BYTES), services.settings.quota

    async def make() -> str:
        async with services.database.begin() as db:
            if services.settings.sign_up is SignUp.CODE:
                await spend_code(db, owner.name, now)
            await add_owner(db, services.secrets, owner, account, quota, now)
            return await open_session(services, db, account)

    token = await run_again(make)
    return Login(token, Account(owner.name, "", owner.public_key, owner.wrap))


async def challenge(call: Call) -> Challenge:
    """Return salt and challenge for a name, whether or not it has an account."""
    services, name = call.services, call.body.username
    async with services.database() as db:
        owner = await find_owner(db, services.secrets, name)
        if services.settings.sign_up is SignUp.CODE and await is_reserved(db, name, services.now()):
            raise CloudError(401, "user_not_init", "this name has no account yet; sign up with it.")
    unknown = services.secrets.unknown_salt(name)
    salt = unknown if owner is None else owner.salt
    return Challenge(salt, make_challenge(services.secrets, name, services.now()))


async def log_in(call: Call) -> Login:
    """Verify the signed challenge and return a token for the device."""
    services, now = call.services, call.services.now()
    claim = _read_claim(call, Response)
    known = services.secrets.name_hash(claim.response.username)
    services.rates.count_login(known, now)
    async with services.database() as db:
        owner = await find_owner(db, services.secrets, claim.response.username)
    key = None if owner is None else owner.login_key
    verify_claim(services.secrets, claim, "login", call.host, key, now)
    if owner is None:
        raise refuse_login()
    services.rates.forgive_login(known, now)
    async with services.database.begin() as db:
        token = await open_session(services, db, owner.id, is_pending=owner.approves_devices)
    return Login(token, Account(owner.name, "", owner.public_key, owner.wrap))


async def log_out(call: Call) -> None:
    """End the session."""
    async with call.services.database.begin() as db:
        await end_session(db, call.token)


async def change_password(call: Call) -> None:
    """Replace the keys, in a request signed with the old ones; logs out all other devices."""
    services = call.services
    claim = _read_claim(call, PasswordResponse)
    async with services.database.begin() as db:
        await lock_keys(db, services.secrets, call.account, call.token)
        owner = await load_owner(db, services.secrets, call.account)
        is_own = owner is not None and owner.name == claim.response.username
        key = owner.login_key if owner is not None and is_own else None
        verify_claim(services.secrets, claim, "changePassword", call.host, key, services.now())
        response = claim.response
        if not isinstance(response, PasswordResponse) or len(response.loginPubkey) != 32:
            raise CloudError(400, "malformed", "the new login key must have 32 bytes.")
        await change_keys(
            db, services.secrets, call.account, response.loginPubkey, response.encryptedContent
        )
        await end_others(db, call.account, call.token)


async def dashboard(call: Call) -> Link:
    """Return a link to the owner's page."""
    return Link((await make_link(call)).url)


async def open_session(
    services: Services, db: AsyncSession, account: str, *, is_pending: bool = False
) -> str:
    """Create a session and return its token; a pending one waits for approval."""
    session, token, now = services.draw(ID_BYTES), services.draw(TOKEN_BYTES), services.now()
    await db.execute(
        insert(Session).values(
            id=session,
            account=account,
            token_sha256=hash_token(token),
            created_at=now,
            expires_at=now + await services.session_seconds(db),
            is_pending=is_pending,
        )
    )
    return token


def _read_claim(call: Call, kind: type[Response]) -> Claim:
    signed: SignedResponse = call.body
    return Claim(signed.response, signed.signature, decode(signed.response, kind))


ROUTES = (
    Route("GET", f"{PREFIX}/is_etebase/", is_etebase, is_public=True),
    Route("POST", f"{PREFIX}/signup/", sign_up, SignUpRequest, status=201, is_public=True),
    Route("POST", f"{PREFIX}/login_challenge/", challenge, ChallengeRequest, is_public=True),
    Route("POST", f"{PREFIX}/login/", log_in, SignedResponse, is_public=True),
    Route("POST", f"{PREFIX}/logout/", log_out, status=204, for_pending=True, for_suspended=True),
    Route("POST", f"{PREFIX}/change_password/", change_password, SignedResponse, status=204),
    Route("POST", f"{PREFIX}/dashboard_url/", dashboard, for_suspended=True),
)
