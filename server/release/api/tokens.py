"""API tokens, and the caller's own name and rights."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.release.api.operation import Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth import tokens
from server.release.auth.principal import Permission, Role
from server.storage.control_models import Token

OPERATIONS = Operations(permission=None)

Seconds = Annotated[int, msgspec.Meta(description="Epoch seconds.")]
Name = Annotated[str, msgspec.Meta(max_length=64)]


class TokenQuery(PageQuery, frozen=True):
    """Whose tokens."""

    account: Name = ""


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to create."""

    account: Name
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=tokens.LABEL_LIMIT)]
    """What it is for: plain text without links, in one line."""
    permissions: Annotated[list[Permission], msgspec.Meta(min_length=1, max_length=32)] | None = (
        None
    )
    """What it is narrowed to; null for all that the account's role holds."""
    days: Annotated[int, msgspec.Meta(ge=1, le=tokens.MAX_DAYS)] = 90


class TokenState(msgspec.Struct, frozen=True):
    """One token, without its secret."""

    id: str
    account: str
    label: str
    permissions: list[Permission]
    created_at: Seconds
    expires_at: Seconds
    revoked_at: Seconds | None
    state: Literal["valid", "expired", "revoked"]


class IssuedToken(TokenState, frozen=True):
    """A token that was just made."""

    token: str
    """Shown here and never again."""


class Me(msgspec.Struct, frozen=True):
    """The caller and its rights."""

    name: str
    role: Role
    permissions: list[Permission]
    codenames: list[str]
    token: str
    """The token's id."""


async def _revoke_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer the revoked token: revoking it again does nothing."""
    return await revoke_token(call)


@OPERATIONS.on("GET /me", "Show the caller", response=Me)
async def get_me(call: Call) -> Reply:
    """Return the name and the current rights of the request's token."""
    who = call.who
    return Reply(Me(who.name, who.role, sorted(who.permissions), list(who.codenames), who.token))


@OPERATIONS.on("GET /me/tokens", "List own tokens", query=PageQuery, response=Page[TokenState])
async def list_my_tokens(call: Call) -> Reply:
    """List the tokens of the caller's account, by id."""
    return await _list(call, call.who.name)


@OPERATIONS.on(
    "GET /tokens",
    "List tokens",
    permission=Permission.PEOPLE,
    query=TokenQuery,
    response=Page[TokenState],
)
async def list_tokens(call: Call) -> Reply:
    """List tokens by id, of one account or of all that you cover, those that ended too."""
    return await _list(call, call.query.account or None)


@OPERATIONS.on(
    "POST /tokens",
    "Create a token",
    permission=Permission.PEOPLE,
    request=NewToken,
    response=IssuedToken,
    status=201,
    errors=(404, 409),
    secret=True,
)
async def create_token(call: Call) -> Reply:
    """Create a token. Only this answer has it. A caller cannot give rights that it does not hold.

    It ends when the token ends that it is made with, if that is sooner: look at `expires_at`.
    """
    services = call.services
    at = services.epoch()
    async with services.sessions.begin() as session:
        issued = await tokens.create_token(
            session,
            call.who,
            services.entropy,
            account=call.body.account,
            label=call.body.label,
            permissions=call.body.permissions,
            expires_at=at + call.body.days * 86_400,
            at=at,
        )
    shown = msgspec.structs.asdict(_show(issued.row, at))
    return Reply(IssuedToken(**shown, token=issued.text))


@OPERATIONS.on(
    "POST /tokens/{token}/revoke",
    "Revoke a token",
    stops=True,
    again=_revoke_again,
    response=TokenState,
    errors=(403,),
)
async def revoke_token(call: Call) -> Reply:
    """Revoke a token immediately. Every caller may revoke the token of its request."""
    at = call.services.epoch()
    async with call.services.sessions.begin() as session:
        revoked = await tokens.revoke_token(session, call.who, identity=call.path["token"], at=at)
    return Reply(_show(revoked, at))


async def _list(call: Call, account: str | None) -> Reply:
    async with call.services.sessions() as session:
        rows = await tokens.page_tokens(
            session,
            account,
            of=call.who,
            after=decode_cursor(call.query.cursor, str) or "",
            limit=call.query.limit + 1,
        )
    at = call.services.epoch()
    return Reply(make_page(call, rows, lambda row: row.id, lambda row: _show(row, at)))


def _show(row: Token, at: int) -> TokenState:
    return TokenState(
        row.id,
        row.account,
        row.label,
        sorted(tokens.token_permissions(row)),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        tokens.token_state(row, at),
    )
