"""`/owner/TOKEN`: the owner's web page, without scripts, cookies or a password field.

A device requests a link with a token in its path, which is valid for ten minutes. Another site
cannot forge a form, as it does not know the token. The page shows only what the server knows. It
does not decrypt anything in the browser: a server that sends decryption code could send malicious
code instead.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import lock_owner
from server.cloud.accounts.sessions import end_session_of, hash_token, list_sessions
from server.cloud.errors import CloudError, not_found
from server.cloud.law.consents import Statement, check_statement, find_offered, give, list_consents
from server.cloud.law.export import export_account
from server.cloud.law.notices import list_notices
from server.cloud.law.policies import load_text
from server.cloud.law.receipts import Event
from server.cloud.routing import Call, Sent, Services, send, to_refusal
from server.cloud.storage.law_models import Consent, OwnerLink
from server.cloud.storage.models import Account
from server.core.errors import HeningError
from server.core.quantities import spell_size

HTML = "text/html; charset=utf-8"
MAX_FORM = 4096
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SECONDS = 600
"""How long a link is valid."""
TEMPLATES = Path(__file__).with_name("templates")
LINK = "/owner/{token:[A-Za-z0-9_-]{43}}"


class NewLink(msgspec.Struct):
    """A link to the owner's page, valid until `expires_at`; it grants full use of the page."""

    url: str
    expires_at: int


async def make_link(call: Call) -> NewLink:
    """Create a link to the page of the caller's account."""
    services = call.services
    token, expires_at = services.draw(32), services.now() + SECONDS
    async with services.database.begin() as db:
        await lock_owner(db, call.account)
        new = {"token_sha256": hash_token(token), "account": call.account, "expires_at": expires_at}
        await db.execute(insert(OwnerLink).values(new))
    settings = services.settings
    scheme = "https" if settings.tls_cert or settings.behind_proxy else "http"
    origin = settings.public_url or f"{scheme}://{call.host}"
    return NewLink(f"{origin}/owner/{token}", expires_at)


async def find_linked(db: AsyncSession, token: str, now: int) -> str:
    """Return the account of a link; raises CloudError if it is expired or unknown."""
    query = select(OwnerLink.account).where(
        OwnerLink.token_sha256 == hash_token(token), OwnerLink.expires_at > now
    )
    account: str | None = await db.scalar(query)
    if account is None:
        raise CloudError(
            404, "link_expired", "this link has expired; get a new one on your device."
        )
    return account


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the page of `account`, with the fields of a posted form."""

    services: Services
    request: web.Request
    account: str
    form: Mapping[str, str]


Handler = Callable[[Visit], Awaitable[Sent]]


def add_page_routes(app: web.Application, services: Services) -> None:
    """Add the owner's page to an application."""
    app.router.add_get("/owner", _show_start)
    app.router.add_get("/owner/style.css", _show_style)
    for method, path, handler in (
        ("GET", LINK, show),
        ("GET", f"{LINK}/export", export),
        ("GET", f"{LINK}/receipts/{{id:[A-Za-z0-9_-]{{22}}}}", show_receipt),
        ("POST", f"{LINK}/consent", consent),
        ("POST", f"{LINK}/withdraw", withdraw),
        ("POST", f"{LINK}/sign-out", sign_out),
        ("POST", f"{LINK}/erase", erase),
    ):
        app.router.add_route(method, path, _bind(handler, services))


async def show(visit: Visit, message: str = "") -> Sent:
    """Show the page; `message` reports the result of the last action."""
    services, now = visit.services, visit.services.now()
    policies = services.law.policies
    signed = await policies.current(now)
    async with services.database() as db:
        account = await db.get_one(Account, visit.account)
        sessions = await list_sessions(db, visit.account, now)
        consents = await list_consents(db, visit.account)
        notices = await list_notices(db, policies, visit.account, now)
        needs = signed is not None and account.consent_version < signed.policy.version
        text = locale = ""
        if signed is not None and needs:
            locale = _choose_locale(visit.request, list(signed.policy.text))
            text = (await load_text(db, signed.policy.version, locale)).decode()
    return _render(
        "page.html",
        message=message,
        account=account,
        sessions=sessions,
        consents=consents,
        notices=notices,
        policy=None if signed is None else signed.policy,
        needs=needs,
        text=text,
        locale=locale,
        link=f"/owner/{visit.request.match_info['token']}",
    )


async def consent(visit: Visit) -> Sent:
    """Store a consent given on the page, which has no device signature."""
    services, now, form = visit.services, visit.services.now(), visit.form
    if form.get("agree") != "yes":
        return await show(visit, "Nothing was changed: tick the box to agree.")
    version = _read_number(form.get("version"))
    signed = await find_offered(services.law.policies, version, now)
    statement = Statement(
        type="consent",
        schema=1,
        region=signed.policy.region,
        version=signed.policy.version,
        policy=signed.sha256,
        locale=form.get("locale", ""),
        text=signed.policy.text.get(form.get("locale", ""), "-"),
        at_least=_read_number(form.get("at_least")),
        guardian=form.get("guardian") == "yes",
    )
    check_statement(statement, signed)
    event = Event(
        services.draw(16),
        visit.account,
        now,
        is_given=True,
        method="page",
        locale=statement.locale,
        at_least=statement.at_least,
        guardian=statement.guardian,
    )
    async with services.database.begin() as db:
        await give(db, services.secrets, event, signed)
    return await show(visit, "You have agreed. Your receipt is below.")


async def withdraw(visit: Visit) -> Sent:
    """Withdraw the consent."""
    await visit.services.law.ask_to_withdraw(visit.account, "page")
    return await show(visit, "Your consent is withdrawn. Your devices can no longer upload.")


async def sign_out(visit: Visit) -> Sent:
    """Log out a device."""
    async with visit.services.database.begin() as db:
        await end_session_of(db, visit.account, visit.form.get("session", ""))
    return await show(visit, "The device is logged out.")


async def export(visit: Visit) -> Sent:  # noqa: RUF029 - a handler like the others
    """Return all stored data as one ZIP."""
    body = export_account(visit.services, visit.account)
    return Sent("application/zip", body, "hening.zip")


async def show_receipt(visit: Visit) -> Sent:
    """Return a receipt as a file."""
    number = visit.request.match_info["id"]
    query = select(Consent.receipt).where(Consent.account == visit.account, Consent.id == number)
    async with visit.services.database() as db:
        receipt = await db.scalar(query)
    if receipt is None:
        raise not_found("receipt")
    return Sent("text/plain; charset=utf-8", receipt, f"receipt-{number}.note")


async def erase(visit: Visit) -> Sent:
    """Erase the account."""
    if visit.form.get("sure") != "yes":
        return await show(visit, "Nothing was changed: tick the box to erase the account.")
    row = await visit.services.law.ask_to_erase(visit.account)
    receipt = None if row.receipt is None else row.receipt.decode()
    return _render("erased.html", row=row, receipt=receipt)


def _bind(handler: Handler, services: Services) -> Callable[..., Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            async with services.database() as db:
                account = await find_linked(db, request.match_info["token"], services.now())
            await services.law.note_use(account)
            form = await _read_form(request)
            return await _send(request, await handler(Visit(services, request, account, form)))
        except (HeningError, OSError) as error:
            found = to_refusal(error)
            return await _send(request, _render("problem.html", message=str(found)), found.status)

    return handle


async def _show_start(request: web.Request) -> web.StreamResponse:
    message = "Get a link to your page on your device. It is valid for ten minutes."
    return await _send(request, _render("problem.html", message=message))


async def _show_style(request: web.Request) -> web.StreamResponse:
    return await _send(request, Sent("text/css; charset=utf-8", _STYLE))


async def _send(request: web.Request, sent: Sent, status: int = 200) -> web.StreamResponse:
    return await send(
        request,
        Sent(sent.kind, sent.body, sent.file_name, {**sent.headers, **HEADERS}),
        status,
    )


async def _read_form(request: web.Request) -> dict[str, str]:
    if request.method != "POST":
        return {}
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > MAX_FORM:
            raise CloudError(413, "too_large", f"a form may have at most {MAX_FORM} bytes.")
    try:
        found = parse_qs(data.decode("ascii"), strict_parsing=bool(data), max_num_fields=16)
    except ValueError as error:
        raise CloudError(400, "malformed", "the form is malformed.") from error
    return {name: values[-1] for name, values in found.items()}


def _read_number(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise CloudError(400, "malformed", "a number in the form is malformed.")
    return int(text)


def _choose_locale(request: web.Request, known: list[str]) -> str:
    """Return the first known language in `Accept-Language`, or the alphabetically first one."""
    for part in request.headers.get("Accept-Language", "").split(",")[:16]:
        tag = part.partition(";")[0].strip()
        for locale in (tag, tag.partition("-")[0]):
            if locale in known:
                return locale
    return min(known)


def _render(template: str, **values: Any) -> Sent:
    return Sent(HTML, _PAGES.get_template(template).render(values).encode())


def _show_time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %B %Y, %H:%M} UTC"


# Read at import, so that no request waits for the disk.
_FILES = {path.name: path.read_text("utf-8") for path in sorted(TEMPLATES.iterdir())}
_STYLE = _FILES["style.css"].encode()
_PAGES = Environment(loader=DictLoader(_FILES), autoescape=True, undefined=StrictUndefined)
_PAGES.filters |= {"size": spell_size, "time": _show_time}
