"""Accounts and API tokens of the control plane, and the caller's own name and rights."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.core.encodings import encode_canonical_json
from server.release.api import PREFIX
from server.release.api.operation import WIDE_BODY_LIMIT, Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth import accounts, tokens
from server.release.auth.audit_log import lock_audit_log
from server.release.auth.principal import MAX_TOKEN_DAYS, Permission, Role
from server.storage.models import Account, Token

OPERATIONS = Operations(permission=Permission.PEOPLE)

Seconds = Annotated[int, msgspec.Meta(description="Epoch seconds.")]
Name = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z", description="Cannot be changed.")
]
Codenames = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=32)]],
    msgspec.Meta(
        min_length=1,
        max_length=accounts.MAX_CODENAMES,
        description="Codenames, `content`, `tables`, or `*` for all.",
    ),
]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to create, for a person or a program."""

    name: Name
    role: Role
    codenames: Codenames


class AccountChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members to change; absent ones stay."""

    role: Role | None = None
    codenames: Codenames | None = None
    oidc_subject: Annotated[str, msgspec.Meta(max_length=accounts.SUBJECT_LIMIT)] | None = None
    """The subject at the identity provider that logs in to it; an empty text for none."""


class AccountState(msgspec.Struct, frozen=True):
    """One account; `etag` is for the If-Match of a change."""

    name: str
    role: Role
    codenames: list[str]
    oidc_subject: str | None
    created_at: Seconds
    disabled_at: Seconds | None
    etag: str


async def _show_again(call: Call, entry: Mapping[str, Any]) -> Reply:
    """Answer with the present state of the account that was created, disabled or enabled."""
    async with call.services.sessions() as session:
        row = await accounts.load_account(session, entry["subject"])
    return _reply(row, is_new=entry["action"] == "account.create")


@OPERATIONS.on("GET /accounts", "List accounts", query=PageQuery, response=Page[AccountState])
async def list_accounts(call: Call) -> Reply:
    """List the accounts all of whose codenames you have, by name, including disabled ones."""
    async with call.services.sessions() as session:
        rows = await accounts.list_accounts(
            session,
            of=call.caller,
            after=decode_cursor(call.query.cursor, str) or "",
            limit=call.query.limit + 1,
        )
    return Reply(make_page(call, rows, lambda row: row.name, _show))


@OPERATIONS.on(
    "POST /accounts",
    "Create an account",
    again=_show_again,
    request=NewAccount,
    limit=WIDE_BODY_LIMIT,
    response=AccountState,
    status=201,
)
async def create_account(call: Call) -> Reply:
    """Create an account. A caller cannot grant rights that it does not have."""
    async with call.services.sessions.begin() as session:
        account = await accounts.create_account(
            session,
            call.caller,
            name=call.body.name,
            role=call.body.role,
            codenames=call.body.codenames,
            at=call.services.epoch(),
        )
    return _reply(account, is_new=True)


@OPERATIONS.on("GET /accounts/{account}", "Show an account", response=AccountState)
async def get_account(call: Call) -> Reply:
    """Return one account all of whose codenames you have."""
    async with call.services.sessions() as session:
        row = await accounts.load_account(session, call.path["account"])
    accounts.check_holds(call.caller, frozenset(), accounts.account_codenames(row))
    return _reply(row)


@OPERATIONS.on(
    "PATCH /accounts/{account}",
    "Change an account",
    request=AccountChange,
    limit=WIDE_BODY_LIMIT,
    response=AccountState,
    errors=(409,),
    if_match=True,
)
async def change_account(call: Call) -> Reply:
    """Change role, codenames or login; this applies to the account's tokens immediately."""
    async with call.services.sessions.begin() as session:
        await lock_audit_log(session)  # so that the account cannot change after the tag's check
        account = await accounts.load_account(session, call.path["account"])
        accounts.check_manages(call.caller, account)
        call.check_match(_etag(account))
        changed = await accounts.change_account(
            session,
            call.caller,
            name=call.path["account"],
            role=call.body.role,
            codenames=call.body.codenames,
            subject=call.body.oidc_subject,
            at=call.services.epoch(),
        )
    return _reply(changed)


@OPERATIONS.on(
    "POST /accounts/{account}/disable",
    "Disable an account",
    stops=True,
    again=_show_again,
    response=AccountState,
)
async def disable_account(call: Call) -> Reply:
    """Disable an account, and end its tokens and sessions."""
    async with call.services.sessions.begin() as session:
        changed = await accounts.disable_account(
            session, call.caller, name=call.path["account"], at=call.services.epoch()
        )
    return _reply(changed)


@OPERATIONS.on(
    "POST /accounts/{account}/enable", "Enable an account", again=_show_again, response=AccountState
)
async def enable_account(call: Call) -> Reply:
    """Enable an account again; it needs new tokens."""
    async with call.services.sessions.begin() as session:
        changed = await accounts.enable_account(
            session, call.caller, name=call.path["account"], at=call.services.epoch()
        )
    return _reply(changed)


def _reply(row: Account, *, is_new: bool = False) -> Reply:
    place = {"Location": f"{PREFIX}/accounts/{row.name}"} if is_new else {}
    return Reply(_show(row), headers={"ETag": _etag(row), **place})


def _etag(row: Account) -> str:
    """Return the entity tag, with quotation marks: a hash of all members that can change."""
    data = encode_canonical_json([row.role, row.codenames, row.subject or "", row.disabled_at or 0])
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _show(row: Account) -> AccountState:
    return AccountState(
        row.name,
        Role(row.role),
        list(accounts.account_codenames(row)),
        row.subject,
        row.created_at,
        row.disabled_at,
        _etag(row),
    )


TokenAccount = Annotated[str, msgspec.Meta(max_length=64)]


class TokenQuery(PageQuery, frozen=True):
    """The page and the filter of tokens."""

    account: TokenAccount = ""


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to create."""

    account: TokenAccount
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=tokens.LABEL_LIMIT)]
    """Its purpose: plain text without links, in one line."""
    permissions: Annotated[list[Permission], msgspec.Meta(min_length=1, max_length=32)] | None = (
        None
    )
    """The token's permissions; null for all of the account's role."""
    days: Annotated[int, msgspec.Meta(ge=1, le=MAX_TOKEN_DAYS)] = 90


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
    """A token that was just created."""

    token: str
    """The token itself, which cannot be shown again."""


class Me(msgspec.Struct, frozen=True):
    """The caller and its rights."""

    name: str
    role: Role
    permissions: list[Permission]
    codenames: list[str]
    token: str
    """The token's id."""


async def _revoke_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer with the revoked token: revoking it again has no effect."""
    return await revoke_token(call)


@OPERATIONS.on("GET /me", "Show the caller", permission=None, response=Me)
async def get_me(call: Call) -> Reply:
    """Return the name and the current rights of the request's token."""
    caller = call.caller
    return Reply(
        Me(
            caller.name,
            caller.role,
            sorted(caller.permissions),
            list(caller.codenames),
            caller.token,
        )
    )


@OPERATIONS.on(
    "GET /me/tokens", "List own tokens", permission=None, query=PageQuery, response=Page[TokenState]
)
async def list_my_tokens(call: Call) -> Reply:
    """List the tokens of the caller's account, by id."""
    return await _list_tokens(call, call.caller.name)


@OPERATIONS.on("GET /tokens", "List tokens", query=TokenQuery, response=Page[TokenState])
async def list_tokens(call: Call) -> Reply:
    """List tokens by id, including ended ones: of one account, or of all that you may see."""
    return await _list_tokens(call, call.query.account or None)


@OPERATIONS.on(
    "POST /tokens",
    "Create a token",
    request=NewToken,
    response=IssuedToken,
    status=201,
    errors=(404,),
    secret=True,
)
async def create_token(call: Call) -> Reply:
    """Create a token. Only this answer has it. A caller cannot grant rights that it does not have.

    It expires no later than the token of this request: check `expires_at`.
    """
    services = call.services
    at = services.epoch()
    async with services.sessions.begin() as session:
        issued = await tokens.create_token(
            session,
            call.caller,
            services.entropy,
            account=call.body.account,
            label=call.body.label,
            permissions=call.body.permissions,
            expires_at=at + call.body.days * 86_400,
            at=at,
        )
    shown = msgspec.structs.asdict(_show_token(issued.row, at))
    return Reply(IssuedToken(**shown, token=issued.text))


@OPERATIONS.on(
    "POST /tokens/{token}/revoke",
    "Revoke a token",
    permission=None,
    stops=True,
    again=_revoke_again,
    response=TokenState,
    errors=(403,),
)
async def revoke_token(call: Call) -> Reply:
    """Revoke a token immediately. Every caller may revoke the token of its request."""
    at = call.services.epoch()
    async with call.services.sessions.begin() as session:
        revoked = await tokens.revoke_token(
            session, call.caller, identity=call.path["token"], at=at
        )
    return Reply(_show_token(revoked, at))


async def _list_tokens(call: Call, account: str | None) -> Reply:
    async with call.services.sessions() as session:
        rows = await tokens.page_tokens(
            session,
            account,
            of=call.caller,
            after=decode_cursor(call.query.cursor, str) or "",
            limit=call.query.limit + 1,
        )
    at = call.services.epoch()
    return Reply(make_page(call, rows, lambda row: row.id, lambda row: _show_token(row, at)))


def _show_token(row: Token, at: int) -> TokenState:
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
