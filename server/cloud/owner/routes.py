"""`/account/1/`: an account's usage, program tokens, and links to the owner's page."""

from typing import Annotated

import msgspec
from sqlalchemy import delete, func, insert, select

from server.cloud.accounts.sessions import Door, hash_token
from server.cloud.errors import CloudError, not_found
from server.cloud.law.notices import find_announced
from server.cloud.owner.devices import ID, PREFIX
from server.cloud.owner.devices import ROUTES as DEVICES
from server.cloud.owner.keys import ROUTES as KEYS
from server.cloud.owner.page import NewLink, make_link
from server.cloud.routing import Call, json_route
from server.cloud.storage.models import Account, AppToken

MAX_TOKENS = 32
"""Maximum number of program tokens per account."""


class Usage(msgspec.Struct):
    """The account's stored bytes and its quota in bytes; 0 means no limit.

    `erases_at` is the time when an announced erasure begins; see the account's notices.
    """

    used: int
    quota: int
    erases_at: int | None = None


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The door and the rights of a new token."""

    door: Door
    reads_only: bool = False


class Token(msgspec.Struct):
    """A program's token, without its secret."""

    id: str
    door: Door
    reads_only: bool
    created_at: int


class NewToken(msgspec.Struct):
    """A new token; its secret is shown only here."""

    id: str
    token: Annotated[str, msgspec.Meta(min_length=43, max_length=43)]


async def show_usage(call: Call) -> Usage:
    """Return the account's storage usage."""
    async with call.services.database() as db:
        query = select(Account.used, Account.quota).where(Account.id == call.account)
        row = (await db.execute(query)).one()
        announced = await find_announced(db, call.account)
    return Usage(row.used, row.quota, None if announced is None else announced.begins_at)


async def show_tokens(call: Call) -> list[Token]:
    """List the program tokens, newest first."""
    query = select(AppToken).where(AppToken.account == call.account)
    async with call.services.database() as db:
        rows = (await db.scalars(query.order_by(AppToken.created_at.desc(), AppToken.id))).all()
    return [Token(row.id, Door(row.door), row.reads_only, row.created_at) for row in rows]


async def make_token(call: Call) -> NewToken:
    """Create a token for a program."""
    services, body = call.services, call.body
    token = NewToken(services.draw(16), services.draw(32))
    async with services.database.begin() as db:
        await db.execute(select(Account.id).where(Account.id == call.account).with_for_update())
        count = await db.scalar(select(func.count()).where(AppToken.account == call.account))
        if (count or 0) >= MAX_TOKENS:
            raise CloudError(
                409,
                "too_many_tokens",
                f"there are {MAX_TOKENS} tokens already; remove an unused one.",
            )
        await db.execute(
            insert(AppToken).values(
                id=token.id,
                account=call.account,
                token_sha256=hash_token(token.token),
                door=body.door,
                reads_only=body.reads_only,
                created_at=services.now(),
            )
        )
    return token


async def remove_token(call: Call) -> None:
    """Remove a program's token; the data that the program stored stays."""
    query = delete(AppToken).where(AppToken.account == call.account, AppToken.id == call.path["id"])
    async with call.services.database.begin() as db:
        if not (await db.execute(query.returning(AppToken.id))).all():
            raise not_found("token")


async def link(call: Call) -> NewLink:
    """Create a link to the owner's page."""
    return await make_link(call)


ROUTES = (
    *DEVICES,
    *KEYS,
    json_route("GET", f"{PREFIX}/usage", show_usage),
    json_route("GET", f"{PREFIX}/app-tokens", show_tokens),
    json_route("POST", f"{PREFIX}/app-tokens", make_token, TokenRequest, status=201),
    json_route("DELETE", f"{PREFIX}/app-tokens/{ID}", remove_token, status=204),
    json_route("POST", f"{PREFIX}/owner-links", link, status=201, for_suspended=True),
)
