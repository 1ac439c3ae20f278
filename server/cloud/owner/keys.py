"""`/account/1/`: set and use recovery words, and rotate the account's key.

Like a login, each request is signed, over JSON `{username, challenge, host, action, …}`: with the
key derived from the password, or if that is lost from the recovery words. The server stores the
words' public key, and the account's keys wrapped with the words. A request for an unknown name, or
for an account without words, does the same work as for any other.
"""

from typing import Annotated, TypeVar

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import (
    Owner,
    change_keys,
    find_owner,
    hold_pepper,
    load_owner,
    lock_owner,
)
from server.cloud.accounts.routes import ChallengeRequest, SignedResponse, open_session
from server.cloud.accounts.sessions import (
    Action,
    Claim,
    Response,
    end_all,
    end_others,
    lock_keys,
    make_challenge,
    refuse_login,
    verify_claim,
)
from server.cloud.errors import CloudError, not_found
from server.cloud.owner.devices import PREFIX, Key
from server.cloud.records.rotation import (
    Rewrapped,
    lock_collections,
    rotate_wraps,
    withdraw_invitations,
)
from server.cloud.routing import Call, decode, json_route
from server.cloud.secrets import Secrets
from server.cloud.storage import models

TABLE = "recoveries"
_SEALED = ("key", "wrap", "words")
MAX_ROTATION = 4 * 1024 * 1024
"""Maximum size of a rotation request, in bytes; enough for some thousand collections."""
Kind = TypeVar("Kind", bound=Response)
_Wrap = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1024)]


class Challenge(msgspec.Struct):
    """The challenge to sign."""

    challenge: bytes


class Recovery(msgspec.Struct):
    """The stored data of recovery words.

    `key` is their Ed25519 public key, `wrap` the account's keys wrapped with them, and `words` the
    words themselves, encrypted with the account's key.
    """

    key: Key
    wrap: _Wrap
    words: _Wrap


class SetRecovery(Response):
    """New recovery words, signed with the password's key."""

    recovery: Recovery


class UseRecovery(Response):
    """The login key and wrapped keys of a new password, signed with the words' key."""

    login_key: Key
    wrap: _Wrap


class Opened(msgspec.Struct):
    """The account's keys, wrapped with the recovery words, and its public key."""

    wrap: bytes
    public_key: bytes


class Recovered(msgspec.Struct):
    """The token of the new session, the account's only one."""

    token: str


class Rotate(Response):
    """A rotation, signed with the password's key: all keys of the account, encrypted again."""

    wrap: _Wrap
    public_key: Key
    collections: list[Rewrapped]
    recovery: Recovery | None = None


async def load_words(db: AsyncSession, secrets: Secrets, account: str | None) -> Recovery | None:
    """Return the data of an account's words; None if it has none or `account` is None."""
    query = select(models.Recovery).where(models.Recovery.account == (account or ""))
    row = await db.scalar(query)
    opened = [
        secrets.open_decoy()
        if row is None
        else secrets.open(getattr(row, column), TABLE, row.account, column)
        for column in _SEALED
    ]
    return None if row is None else Recovery(*opened)


async def keep_words(
    db: AsyncSession, secrets: Secrets, account: str, words: Recovery, now: int
) -> None:
    """Replace the data of the recovery words of a locked account."""
    await db.execute(delete(models.Recovery).where(models.Recovery.account == account))
    sealed = {
        column: secrets.seal(getattr(words, column), TABLE, account, column) for column in _SEALED
    }
    await db.execute(insert(models.Recovery).values(account=account, changed_at=now, **sealed))


async def show_recovery(call: Call) -> Recovery:
    """Return the data of the recovery words, so that a device can show them again."""
    async with call.services.database() as db:
        found = await load_words(db, call.services.secrets, call.account)
    if found is None:
        raise not_found("recovery")
    return found


async def set_recovery(call: Call) -> None:
    """Replace the recovery words."""
    services = call.services
    claim, body = _read(call, SetRecovery)
    async with services.database.begin() as db:
        await lock_keys(db, services.secrets, call.account, call.token)
        owner = await load_owner(db, services.secrets, call.account)
        _verify_own(call, claim, "setRecovery", owner)
        await keep_words(db, services.secrets, call.account, body.recovery, services.now())


async def challenge(call: Call) -> Challenge:  # noqa: RUF029 - a handler like the others
    """Return a challenge for a name, whether or not it has an account."""
    services = call.services
    return Challenge(make_challenge(services.secrets, call.body.username, services.now()))


async def open_recovery(call: Call) -> Opened:
    """Return the account's wrapped keys to a device that has the recovery words."""
    claim, _ = _read(call, Response)
    owner, words = await _verify_words(call, claim, "openRecovery")
    return Opened(words.wrap, owner.public_key)


async def use_recovery(call: Call) -> Recovered:
    """Replace the password's keys, and log out all devices and programs except this one."""
    services = call.services
    claim, body = _read(call, UseRecovery)
    owner, words = await _verify_words(call, claim, "useRecovery")
    async with services.database.begin() as db:
        await hold_pepper(db, services.secrets)
        await lock_owner(db, owner.id)
        found = await load_words(db, services.secrets, owner.id)
        if found is None or found.key != words.key:  # the words were replaced meanwhile
            raise refuse_login()
        await change_keys(db, services.secrets, owner.id, body.login_key, body.wrap)
        await end_all(db, owner.id)
        await db.execute(delete(models.AppToken).where(models.AppToken.account == owner.id))
        return Recovered(await open_session(services, db, owner.id))


async def rotate(call: Call) -> None:
    """Rotate the account's key: replace all wrapped keys; other devices have to log in again."""
    services, secrets = call.services, call.services.secrets
    claim, body = _read(call, Rotate)
    async with services.database.begin() as db:
        await hold_pepper(db, secrets)
        found = await lock_collections(db, call.account)
        await lock_keys(db, secrets, call.account, call.token)
        owner = await load_owner(db, secrets, call.account)
        _verify_own(call, claim, "rotate", owner)
        accounts: dict[str, str] = {}
        for name in (member.username for each in body.collections for member in each.members):
            other = await find_owner(db, secrets, name)
            if other is None:
                raise not_found("account")
            accounts[name] = other.id
        await rotate_wraps(db, call.account, found, body.collections, accounts)
        if owner is not None:
            await change_keys(db, secrets, call.account, owner.login_key, body.wrap)
        if body.public_key != (owner and owner.public_key):
            await withdraw_invitations(db, call.account)
        statement = update(models.Account).where(models.Account.id == call.account)
        await db.execute(statement.values(public_key=body.public_key))
        if body.recovery is not None:
            await keep_words(db, secrets, call.account, body.recovery, services.now())
        elif await load_words(db, secrets, call.account) is not None:
            raise CloudError(
                409, "no_recovery", "the account has recovery words; wrap the new key with them."
            )
        await end_others(db, call.account, call.token)


def _read(call: Call, kind: type[Kind]) -> tuple[Claim, Kind]:
    signed: SignedResponse = call.body
    response: Kind = decode(signed.response, kind, is_json=True)
    return Claim(signed.response, signed.signature, response), response


def _verify_own(call: Call, claim: Claim, action: Action, owner: Owner | None) -> None:
    """Raise CloudError unless the request is signed with the key of the account's password."""
    services, name, now = call.services, claim.response.username, call.services.now()
    known = services.secrets.name_hash(name)
    services.rates.count_login(known, now)
    key = owner.login_key if owner is not None and owner.name == name else None
    verify_claim(services.secrets, claim, action, call.host, key, now)
    services.rates.forgive_login(known, now)


async def _verify_words(call: Call, claim: Claim, action: Action) -> tuple[Owner, Recovery]:
    """Return the account named in a response; raises CloudError unless its words signed it."""
    services, secrets, now = call.services, call.services.secrets, call.services.now()
    name = claim.response.username
    known = secrets.name_hash(name)
    services.rates.count_login(known, now)
    async with services.database() as db:
        owner = await find_owner(db, secrets, name)
        words = await load_words(db, secrets, None if owner is None else owner.id)
    key = None if words is None else words.key
    verify_claim(secrets, claim, action, call.host, key, now)
    if owner is None or words is None:
        raise not_found("account")
    services.rates.forgive_login(known, now)
    return owner, words


_RECOVERY = f"{PREFIX}/recovery"
ROUTES = (
    json_route("GET", _RECOVERY, show_recovery),
    json_route("PUT", _RECOVERY, set_recovery, SignedResponse, status=204),
    json_route("POST", f"{_RECOVERY}/challenge", challenge, ChallengeRequest, is_public=True),
    json_route("POST", f"{_RECOVERY}/open", open_recovery, SignedResponse, is_public=True),
    json_route("POST", f"{_RECOVERY}/use", use_recovery, SignedResponse, is_public=True),
    json_route("POST", f"{PREFIX}/rotate", rotate, SignedResponse, MAX_ROTATION, 204),
)
