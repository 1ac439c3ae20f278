"""Tokens: their form, their rows, and authentication."""

import hashlib
import os
import re
from datetime import UTC, datetime

import pytest

from server.core.errors import FormatError
from server.release.auth.accounts import change_account, disable_account
from server.release.auth.principal import Permission, Role, holds_token, is_token, redact
from server.release.auth.tokens import authenticate, create_token, list_tokens, revoke_token
from server.release.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)
from server.storage.models import Token
from tests.cases import case
from tests.server.release.auth.issue import audit_log, principal

NOW = 1_800_000_000
DAY = 86_400


def when(seconds):
    """Return the time that many seconds after NOW."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.fixture
def issue(sessions, operator):
    """Return a function that makes a token in its own transaction."""

    async def create(account="ani", by=None, **options):
        values = {"label": "laptop", "expires_at": NOW + DAY, "at": NOW, **options}
        async with sessions.begin() as session:
            return await create_token(
                session, by or operator, os.urandom, account=account, **values
            )

    return create


@pytest.fixture
def log_in(sessions):
    """Return a function that authenticates with a text as token."""

    async def ask(text, seconds=0):
        async with sessions() as session:
            return await authenticate(session, text, when(seconds))

    return ask


@pytest.fixture
async def accounts(make):
    """Make an admin, an engineer and a viewer."""
    await make("root", Role.ADMIN)
    await make("ani", Role.ENGINEER, "armani")
    await make("budi", Role.VIEWER)


def test_tokens_in_texts():
    """A token has a prefix, id, secret and checksum, which the test computes itself.

    Tokens are found inside texts and redacted, even incomplete ones.
    """
    body = "hening_0123456789ab_" + "5" * 64
    check = hashlib.sha256(body.encode()).hexdigest()[:8]
    token = body + check
    assert is_token(token)
    other = body + check[:-1] + ("0" if check[-1] != "0" else "1")
    for changed in (other, body, token + "0", token.upper(), f" {token}"):
        assert not is_token(changed)
    for text in (token, f"x{token}x", f'{{"label":"{token}"}}', f"{body}\n{token}"):
        assert holds_token(text)
        assert "5" not in redact(text)
    for text in (body, token[:-1], "hening_", "hening_0123456789ab_"):
        assert not holds_token(text)
    assert redact(f"no account {body[:40]}.") == "no account hening_…."
    assert redact("hening_server and hening_x") == "hening_server and hening_x"


@pytest.mark.usefixtures("accounts")
async def test_authentication(issue, log_in):
    """Authentication returns the account's role and codenames, and the token's id."""
    issued = await issue()
    assert re.fullmatch(r"hening_[0-9a-f]{12}_[0-9a-f]{72}", issued.text)
    assert is_token(issued.text)
    expected = principal(codenames=["armani"], token=issued.row.id, expires_at=NOW + DAY)
    assert await log_in(issued.text) == expected


@pytest.mark.usefixtures("accounts")
async def test_permissions_of_a_token(issue, log_in, sessions, operator):
    """A token has its permissions as far as the role has them.

    An unknown permission is ignored.
    """
    issued = await issue(permissions=[Permission.READ, Permission.HALT])
    both = {Permission.READ, Permission.HALT}
    narrower = {Permission.READ}
    for role, rights in ((Role.ENGINEER, both), (Role.VIEWER, narrower), (Role.ADMIN, both)):
        async with sessions.begin() as session:
            await change_account(session, operator, name="ani", role=role, at=NOW)
        assert (await log_in(issued.text)).permissions == rights
    async with sessions.begin() as session:
        row = await session.get(Token, issued.row.id)
        row.permissions = '["operate","read"]\n'
    assert (await log_in(issued.text)).permissions == {Permission.READ}


@pytest.mark.usefixtures("accounts")
async def test_refusals_do_not_differ(issue, log_in, sessions, operator):
    """Every invalid token gets the same error message, whatever the reason."""
    good = await issue()
    revoked = await issue(label="old")
    disabled = await issue("budi")
    async with sessions.begin() as session:
        await revoke_token(session, operator, identity=revoked.row.id, at=NOW)
        await disable_account(session, operator, name="budi", at=NOW)
    body = good.text[:-9]
    swapped = body + ("0" if good.text[-9] != "0" else "1")
    swapped += hashlib.sha256(swapped.encode()).hexdigest()[:8]
    unknown = "hening_ffffffffffff_" + "0" * 64
    unknown += hashlib.sha256(unknown.encode()).hexdigest()[:8]
    assert is_token(swapped)
    assert is_token(unknown)
    malformed = (good.text[:-1], good.text + " ", "", "hening_", "\x00", "é" * 100, "a" * 100_000)
    sentences = set()
    for text, seconds in (
        (good.text, DAY),
        *((text, 0) for text in (swapped, unknown, revoked.text, disabled.text, *malformed)),
    ):
        with pytest.raises(AuthenticationError) as refused:
            await log_in(text, seconds)
        sentences.add(str(refused.value))
        assert (refused.value.__context__, refused.value.__cause__) == (None, None)
    assert sentences == {"this needs a valid token: ask an admin for one."}
    assert (await log_in(good.text, DAY - 1)).name == "ani"


@pytest.mark.usefixtures("accounts")
async def test_secret_is_not_stored(issue, sessions, tmp_path):
    """Neither a repr nor the database contains a token's secret."""
    issued = await issue()
    secret = issued.text[20:84]
    assert len(secret) == 64
    async with sessions() as session:
        (row,) = await list_tokens(session, "ani")
    recorded = "".join(entry.detail for entry in await audit_log(sessions))
    assert row.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(issued) + repr(row) + recorded
    dump = b"".join(path.read_bytes() for path in tmp_path.rglob("hening.sqlite*"))
    assert issued.row.id.encode() in dump
    assert secret.encode() not in dump
    assert bytes.fromhex(secret) not in dump


@pytest.mark.usefixtures("accounts")
async def test_invalid_tokens_are_not_created(issue, log_in, sessions, operator):
    """Label, expiry and permissions have limits; 366 days are allowed, to the second.

    A missing or disabled account gets no token.
    """
    for options, sentence in (
        ({"label": ""}, "label is not plain text: a text has 0 characters"),
        ({"label": "a" * 81}, "has 81 characters"),
        ({"label": "a\x1b[31m"}, r"holds U\+001B"),
        ({"label": "lap\u200btop"}, r"holds U\+200B"),
        ({"label": "a\nb"}, r"holds U\+000A"),
        ({"label": "https://rom.example"}, "a link or markup"),
        ({"expires_at": NOW}, "within 366 days"),
        ({"expires_at": NOW - 1}, "within 366 days"),
        ({"expires_at": NOW + 366 * DAY + 1}, "within 366 days"),
        ({"permissions": []}, "at least one permission"),
        ({"permissions": [Permission.PEOPLE]}, "does not have people"),
    ):
        with case(options), pytest.raises(FormatError, match=sentence):
            await issue(**options)
    issued = await issue(expires_at=NOW + 366 * DAY)
    assert (await log_in(issued.text, 366 * DAY - 1)).name == "ani"
    with pytest.raises(NotFoundError, match="no account eka"):
        await issue("eka")
    async with sessions.begin() as session:
        await disable_account(session, operator, name="ani", at=NOW)
    with pytest.raises(ConflictError, match="ani is disabled"):
        await issue()


@pytest.mark.usefixtures("accounts")
async def test_who_may_create_tokens(issue):
    """Only admins make tokens, within their codenames and the rights of their token."""
    narrow = principal("deni", Role.ADMIN, permissions=[Permission.PEOPLE, Permission.READ])
    for asking, sentence in (
        (principal(), "not allowed to people"),
        (principal("deni", Role.ADMIN, ["cancro"]), "no rights for armani"),
        (narrow, "does not have the right to halt"),
    ):
        with pytest.raises(PermissionDeniedError, match=sentence):
            await issue(by=asking)
    issued = await issue(by=narrow, permissions=[Permission.READ])
    assert issued.row.account == "ani"


@pytest.mark.usefixtures("accounts")
async def test_expiry_is_limited_by_the_creating_token(issue):
    """A new token expires no later than the token that made it.

    The command line and a login are not limited.
    """
    for expires_at, wanted, made in (
        (NOW + DAY, 366 * DAY, DAY),
        (NOW + 9 * DAY, DAY, DAY),
        (None, 366 * DAY, 366 * DAY),
    ):
        asking = principal("deni", Role.ADMIN, token="x", expires_at=expires_at)
        issued = await issue(by=asking, expires_at=NOW + wanted)
        assert issued.row.expires_at == NOW + made


@pytest.mark.usefixtures("accounts")
async def test_who_may_revoke_tokens(issue, log_in, sessions):
    """Admins revoke tokens within their codenames; every account revokes the token in use."""
    first, second = await issue(), await issue()
    asking = await log_in(first.text)
    cancro = principal("deni", Role.ADMIN, ["cancro"])
    armani = principal("deni", Role.ADMIN, ["armani", "cancro"])
    narrow = principal("deni", Role.ADMIN, permissions=[Permission.PEOPLE])
    async with sessions.begin() as session:
        with pytest.raises(PermissionDeniedError):
            await revoke_token(session, asking, identity=second.row.id, at=NOW)
        with pytest.raises(PermissionDeniedError):
            await revoke_token(session, cancro, identity=second.row.id, at=NOW)
        with pytest.raises(PermissionDeniedError, match="does not have the right to halt"):
            await revoke_token(session, narrow, identity=second.row.id, at=NOW)
        with pytest.raises(NotFoundError, match="there is no token ffff"):
            await revoke_token(session, armani, identity="ffff", at=NOW)
        await revoke_token(session, asking, identity=first.row.id, at=NOW)
        await revoke_token(session, armani, identity=second.row.id, at=NOW)
        again = await revoke_token(session, armani, identity=second.row.id, at=NOW + 9)
        assert again.revoked_at == NOW
    for issued in (first, second):
        with pytest.raises(AuthenticationError):
            await log_in(issued.text)
    entries = [each for each in await audit_log(sessions) if each.action == "token.revoke"]
    actors = [(each.actor, each.subject) for each in entries]
    assert actors == [(f"ani/{first.row.id}", "ani"), ("deni", "ani")]


@pytest.mark.usefixtures("accounts")
async def test_tokens_are_listed_by_account(issue, sessions):
    """All tokens are listed, or those of one account."""
    for account in ("budi", "ani"):
        await issue(account)
    async with sessions() as session:
        assert [row.account for row in await list_tokens(session)] == ["ani", "budi"]
        assert [row.account for row in await list_tokens(session, "budi")] == ["budi"]
