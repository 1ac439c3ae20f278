"""`/policy/`, `/erasure/`, and consents, notices, export and erasure below `/account/1/`."""

from typing import Annotated

import msgspec

from server.cloud.errors import not_found
from server.cloud.law.consents import (
    MAX_STATEMENT,
    check_statement,
    find_offered,
    give,
    list_consents,
    read_statement,
)
from server.cloud.law.export import export_account
from server.cloud.law.notices import Notice, list_notices
from server.cloud.law.policies import load_text
from server.cloud.law.receipts import Event
from server.cloud.routing import Call, Sent, json_route
from server.cloud.storage.law_models import Erasure
from server.cloud.storage.models import Account

PREFIX = "/account/1"
POLICY = "/policy/{region:[a-z][a-z0-9-]{1,31}}"
VERSION = f"{POLICY}/{{version:[1-9][0-9]{{0,5}}}}"
ID = "{id:[A-Za-z0-9_-]{22}}"
TEXT = "text/plain; charset=utf-8"
NEVER_CHANGES = {"Cache-Control": "public, max-age=31536000, immutable"}


class Receipt(msgspec.Struct):
    """The receipt, a signed note, of a consent to `version` of the policy or its withdrawal."""

    id: str
    version: int
    at: int
    is_given: bool
    receipt: str


class Consents(msgspec.Struct):
    """The policy version that the owner agreed to, the one in force (0 for none), and receipts."""

    agreed: int
    holds: int
    receipts: list[Receipt]


class ConsentRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A statement in canonical JSON, with its Ed25519 key and signature in base64."""

    statement: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_STATEMENT)]
    public_key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{43}=\Z")]
    signature: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{86}==\Z")]


class Withdrawal(msgspec.Struct):
    """The result of a withdrawal: uploads have ended, and the erasure begins at `begins_at`.

    `ends_at` is the policy's deadline. `erasure` is the id under `/erasure/`.
    """

    receipt: str
    erasure: str
    begins_at: int
    ends_at: int


class ErasureStatus(msgspec.Struct):
    """The progress of an erasure; `receipt` is a signed note once it is done."""

    id: str
    reason: str
    step: str
    asked_at: int
    begins_at: int
    due_at: int
    receipt: str | None


async def show_policy(call: Call) -> Sent:
    """Return the note of the policy in force."""
    _check_region(call)
    signed = await call.services.law.policies.current(call.services.now())
    if signed is None:
        raise not_found("policy")
    return Sent(TEXT, signed.note)


async def show_version(call: Call) -> Sent:
    """Return the note of one policy version, which never changes."""
    _check_region(call)
    services = call.services
    signed = await services.law.policies.find(int(call.path["version"]), services.now())
    return Sent(TEXT, signed.note, headers=NEVER_CHANGES)


async def show_text(call: Call) -> Sent:
    """Return the text of one policy version in one language."""
    _check_region(call)
    async with call.services.database() as db:
        body = await load_text(db, int(call.path["version"]), call.path["locale"])
    return Sent(TEXT, body, headers=NEVER_CHANGES)


async def show_receipt_key(call: Call) -> Sent:  # noqa: RUF029 - a handler like the others
    """Return the key that signs the region's receipts."""
    _check_region(call)
    return Sent(TEXT, f"{call.services.secrets.receipt_key}\n".encode())


async def show_consents(call: Call) -> Consents:
    """Return the policy version that the owner agreed to, and the receipts."""
    services = call.services
    signed = await services.law.policies.current(services.now())
    async with services.database() as db:
        account = await db.get_one(Account, call.account)
        rows = await list_consents(db, call.account)
    holds = 0 if signed is None else signed.policy.version
    receipts = [
        Receipt(row.id, row.version, row.at, row.is_given, row.receipt.decode()) for row in rows
    ]
    return Consents(account.consent_version, holds, receipts)


async def consent(call: Call) -> Receipt:
    """Give consent to the policy in force, or to an announced one."""
    services, body = call.services, call.body
    encoded = body.statement.encode()
    statement = read_statement(encoded, body.public_key, body.signature)
    now = services.now()
    signed = await find_offered(services.law.policies, statement.version, now)
    check_statement(statement, signed)
    event = Event(
        services.draw(16),
        call.account,
        now,
        is_given=True,
        method="device",
        locale=statement.locale,
        at_least=statement.at_least,
        guardian=statement.guardian,
        statement=encoded,
        public_key=body.public_key,
    )
    async with services.database.begin() as db:
        receipt = await give(db, services.secrets, event, signed)
    return Receipt(event.id, statement.version, now, is_given=True, receipt=receipt.decode())


async def withdraw(call: Call) -> Withdrawal:
    """Withdraw the consent: uploads end now; the account is erased within the policy's hours."""
    receipt, announced = await call.services.law.ask_to_withdraw(call.account, "device")
    return Withdrawal(receipt.decode(), announced.id, announced.begins_at, announced.due_at)


async def show_notices(call: Call) -> list[Notice]:
    """Return the notices to the owner."""
    services = call.services
    async with services.database() as db:
        return await list_notices(db, services.law.policies, call.account, services.now())


async def export(call: Call) -> Sent:  # noqa: RUF029 - a handler like the others
    """Export all stored data of the account, in stored form, as one ZIP."""
    return Sent("application/zip", export_account(call.services, call.account), "hening.zip")


async def erase(call: Call) -> ErasureStatus:
    """Erase the account and all its data; this cannot be undone."""
    return _to_status(await call.services.law.ask_to_erase(call.account))


async def show_erasure(call: Call) -> ErasureStatus:
    """Return the progress of an erasure; knowing its id is enough."""
    async with call.services.database() as db:
        row = await db.get(Erasure, call.path["id"])
    if row is None:
        raise not_found("erasure")
    return _to_status(row)


def _to_status(row: Erasure) -> ErasureStatus:
    return ErasureStatus(
        row.id,
        row.reason,
        row.step,
        row.asked_at,
        row.begins_at,
        row.due_at,
        None if row.receipt is None else row.receipt.decode(),
    )


def _check_region(call: Call) -> None:
    if call.path["region"] != call.services.settings.region:
        raise not_found("region")


ROUTES = (
    json_route("GET", POLICY, show_policy, is_public=True),
    json_route("GET", f"{POLICY}/receipt-key", show_receipt_key, is_public=True),
    json_route("GET", VERSION, show_version, is_public=True),
    json_route("GET", f"{VERSION}/{{locale}}", show_text, is_public=True),
    json_route("GET", f"{PREFIX}/consents", show_consents, for_suspended=True),
    json_route("POST", f"{PREFIX}/consents", consent, ConsentRequest, status=201),
    json_route("POST", f"{PREFIX}/consents/withdrawal", withdraw, for_suspended=True),
    json_route("GET", f"{PREFIX}/notices", show_notices, for_suspended=True),
    json_route("GET", f"{PREFIX}/export", export, for_suspended=True, media="application/zip"),
    json_route("POST", f"{PREFIX}/erasure", erase, status=202, for_suspended=True),
    json_route("GET", f"/erasure/{ID}", show_erasure, is_public=True),
)
