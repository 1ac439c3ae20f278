"""Accounts: who may use the control plane."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from server.core.encodings import encode_canonical_json
from server.release.api.address import PREFIX
from server.release.api.operation import WIDE_BODY_LIMIT, Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth import accounts
from server.release.auth.audit_log import lock_audit_log
from server.release.auth.principal import Permission, Role
from server.storage.control_models import Account

OPERATIONS = Operations(permission=Permission.PEOPLE)

Seconds = Annotated[int, msgspec.Meta(description="Epoch seconds.")]
Name = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z", description="Given once, for ever.")
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
    """A person or a program."""

    name: Name
    role: Role
    codenames: Codenames


class AccountChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members to change; others stay."""

    role: Role | None = None
    codenames: Codenames | None = None
    oidc_subject: Annotated[str, msgspec.Meta(max_length=accounts.SUBJECT_LIMIT)] | None = None
    """The subject that logs in to it at the identity provider; the empty text for none."""


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
    """Answer the present state of the account that was created, disabled or enabled."""
    async with call.services.sessions() as session:
        row = await accounts.load_account(session, entry["subject"])
    return _reply(row, is_new=entry["action"] == "account.create")


@OPERATIONS.on("GET /accounts", "List accounts", query=PageQuery, response=Page[AccountState])
async def list_accounts(call: Call) -> Reply:
    """List the accounts whose codenames are all yours, by name, disabled ones too."""
    async with call.services.sessions() as session:
        rows = await accounts.list_accounts(
            session,
            of=call.who,
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
    errors=(409,),
)
async def create_account(call: Call) -> Reply:
    """Create an account. A caller cannot give rights that it does not hold."""
    async with call.services.sessions.begin() as session:
        made = await accounts.create_account(
            session,
            call.who,
            name=call.body.name,
            role=call.body.role,
            codenames=call.body.codenames,
            at=call.services.epoch(),
        )
    return _reply(made, is_new=True)


@OPERATIONS.on("GET /accounts/{account}", "Show an account", response=AccountState)
async def get_account(call: Call) -> Reply:
    """Return one account whose codenames are all yours."""
    async with call.services.sessions() as session:
        row = await accounts.load_account(session, call.path["account"])
    accounts.check_holds(call.who, frozenset(), accounts.account_codenames(row))
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
    """Change role or codenames; it applies to the account's tokens immediately."""
    async with call.services.sessions.begin() as session:
        await lock_audit_log(session)  # until the end no other request changes what the tag covers
        seen = await accounts.load_account(session, call.path["account"])
        accounts.check_manages(call.who, seen)
        call.check_match(_etag(seen))
        changed = await accounts.change_account(
            session,
            call.who,
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
    errors=(409,),
)
async def disable_account(call: Call) -> Reply:
    """Disable an account and revoke its tokens."""
    async with call.services.sessions.begin() as session:
        changed = await accounts.disable_account(
            session, call.who, name=call.path["account"], at=call.services.epoch()
        )
    return _reply(changed)


@OPERATIONS.on(
    "POST /accounts/{account}/enable", "Enable an account", again=_show_again, response=AccountState
)
async def enable_account(call: Call) -> Reply:
    """Enable an account again; it needs new tokens."""
    async with call.services.sessions.begin() as session:
        changed = await accounts.enable_account(
            session, call.who, name=call.path["account"], at=call.services.epoch()
        )
    return _reply(changed)


def _reply(row: Account, *, is_new: bool = False) -> Reply:
    place = {"Location": f"{PREFIX}/accounts/{row.name}"} if is_new else {}
    return Reply(_show(row), headers={"ETag": _etag(row), **place})


def _etag(row: Account) -> str:
    """Return the entity tag, a hash of all of a row that can change, with its quotation marks."""
    seen = encode_canonical_json([row.role, row.codenames, row.subject or "", row.disabled_at or 0])
    return f'"{hashlib.sha256(seen).hexdigest()[:32]}"'


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
