"""The control plane's part of `hening-server check`: compares database rows with the audit log.

The entries of the audit log are chained by hashes, and each is written in the transaction of the
change that it records. Replaying them gives the expected accounts, tokens, sessions, changes and
webhooks.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from server.core.errors import FormatError, HeningError
from server.publisher.maintenance.checks.finding import Finding, confirm, summarise
from server.release.auth.accounts import account_codenames, shorten_codenames
from server.release.auth.audit_log import describe
from server.release.auth.audit_log_query import read_audit_log, verify_audit_log
from server.release.auth.tokens import fingerprint
from server.release.webhooks.directory import webhook_fingerprint
from server.storage.database import Sessions
from server.storage.models import Account, Change, Token, Webhook, WebSession

BY_HAND = "the database was edited by hand"


@dataclass(slots=True)
class ReplayedAccount:
    """An account as the audit log records it; `codenames` in the log's shortened form."""

    role: str
    codenames: list[str]
    subject: str | None = None
    is_disabled: bool = False


@dataclass(slots=True)
class ReplayedToken:
    """A token as the audit log records it."""

    account: str
    label: str
    permissions: list[str]
    fingerprint: str
    expires_at: int
    revoked_at: int | None = None


@dataclass(slots=True)
class ReplayedSession:
    """A session of the console as the audit log records it; `by` is a token's id, or `login`."""

    account: str
    by: str
    is_ended: bool = False


@dataclass(slots=True)
class ReplayedChange:
    """A change as the audit log records it; `sha256` is of its arguments in stored form."""

    action: str
    subject: str
    sha256: str
    due_at: int
    proposed_by: str
    proposed_at: int
    state: str
    approved_by: str | None = None
    approved_at: int | None = None
    finished_at: int | None = None


@dataclass(slots=True)
class ReplayedWebhook:
    """A webhook as the audit log records it; `fingerprint` is of its address and secret."""

    events: list[str]
    fingerprint: str
    is_disabled: bool = False


@dataclass(slots=True)
class ReplayedState:
    """The state after the entries added so far; `verify_audit_log` checks that none is missing."""

    accounts: dict[str, ReplayedAccount] = field(default_factory=dict)
    tokens: dict[str, ReplayedToken] = field(default_factory=dict)
    sessions: dict[str, ReplayedSession] = field(default_factory=dict)
    changes: dict[str, ReplayedChange] = field(default_factory=dict)
    webhooks: dict[str, ReplayedWebhook] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Apply the next entry, in the form of FORMATS section 11; ignore unrelated entries."""
        action, detail = str(entry["action"]), entry["detail"]
        group, _, verb = action.partition(".")
        try:
            if group == "account":
                self._account(verb, entry, detail)
            elif group == "token":
                self._token(verb, entry, detail)
            elif group == "session":
                self._session(verb, entry, detail)
            elif group == "webhook":
                self._webhook(verb, str(entry["subject"]).removeprefix("webhook/"), detail)
            elif group in {"rollout", "change"} and "change" in detail:
                self._change(action, entry, detail)
        except (KeyError, TypeError, ValueError, IndexError):
            return  # the entry was altered, or the one that created its row

    def _account(self, verb: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        name, at = entry["subject"], entry["at"]
        if verb == "create":
            self.accounts[name] = ReplayedAccount(detail["role"], detail["codenames"])
            return
        account = self.accounts[name]
        if verb == "change":
            account.role, account.codenames = detail["role"][1], detail["codenames"][1]
            account.subject = detail.get("subject", account.subject)
        elif verb == "enable":
            account.is_disabled = False
        elif verb == "disable":
            account.is_disabled = True
            self._end(at, account=name)

    def _token(self, verb: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        at = entry["at"]
        if verb == "create":
            self.tokens[detail["token"]] = ReplayedToken(
                entry["subject"],
                detail["label"],
                detail["permissions"],
                detail["fingerprint"],
                detail["expires_at"],
            )
        elif verb == "revoke":
            token = self.tokens[detail["token"]]
            token.revoked_at = token.revoked_at or at
        elif verb == "revoke-all":
            self._end(at)

    def _session(self, verb: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        if verb == "begin":
            self.sessions[detail["session"]] = ReplayedSession(entry["subject"], detail["by"])
        elif verb == "end":
            self.sessions[detail["session"]].is_ended = True

    def _webhook(self, verb: str, identity: str, detail: Mapping[str, Any]) -> None:
        if verb == "create":
            self.webhooks[identity] = ReplayedWebhook(detail["events"], detail["fingerprint"])
        elif verb == "rotate":
            self.webhooks[identity].fingerprint = detail["fingerprint"]
        elif verb in {"enable", "disable"}:
            self.webhooks[identity].is_disabled = verb == "disable"

    def _end(self, at: int, account: str | None = None) -> None:
        """End the tokens and sessions of one account, or of all."""
        for token in self.tokens.values():
            if account in {None, token.account} and token.revoked_at is None:
                token.revoked_at = at
        for session in self.sessions.values():
            if account in {None, session.account}:
                session.is_ended = True

    def _change(self, action: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        identity, at = detail["change"], entry["at"]
        actor = str(entry["actor"]).partition("/")[0]
        if "order" in detail:
            self.changes[identity] = ReplayedChange(
                action.removeprefix("rollout."),
                entry["subject"],
                detail["arguments"],
                detail["due_at"],
                actor,
                at,
                detail["state"],
            )
            return
        change = self.changes[identity]
        if action == "change.approve":
            change.state, change.approved_by, change.approved_at = "approved", actor, at
        elif "state" in detail:
            change.state, change.finished_at = detail["state"], at


def compare_accounts(expected: ReplayedState, rows: Iterable[Account]) -> Iterator[str]:
    """Yield a sentence for each account that differs from the audit log."""
    known = {row.name: row for row in rows}
    for name in sorted(expected.accounts.keys() - known.keys()):
        yield f"the account {name} is gone, and accounts are never deleted: {BY_HAND}; restore it."
    for name, row in sorted(known.items()):
        account = expected.accounts.get(name)
        remedy = f"{BY_HAND}; correct it with `hening-server account`."
        if account is None:
            yield (
                f"the audit log does not record the creation of the account {name}: {BY_HAND};"
                " disable it."
            )
            continue
        if row.role != account.role:
            yield f"the account {name} is {row.role}, but {account.role} in the audit log: {remedy}"
        try:
            codenames = shorten_codenames(account_codenames(row))
        except FormatError:
            codenames = []
        if codenames != account.codenames:
            yield f"the account {name} has other codenames than in the audit log: {remedy}"
        if (row.subject or None) != (account.subject or None):
            yield f"the account {name} has another login than in the audit log: {remedy}"
        if (row.disabled_at is not None) != account.is_disabled:
            is_, was = ("disabled", "open") if row.disabled_at else ("open", "disabled")
            yield f"the account {name} is {is_}, but {was} in the audit log: {remedy}"


def compare_tokens(expected: ReplayedState, rows: Iterable[Token]) -> Iterator[str]:
    """Yield a sentence for each token that differs from the audit log."""
    known = {row.id: row for row in rows}
    for identity in sorted(expected.tokens.keys() - known.keys()):
        yield f"the token {identity} is gone, and tokens are never deleted: {BY_HAND}; restore it."
    for identity, row in sorted(known.items()):
        token = expected.tokens.get(identity)
        remedy = f"{BY_HAND}; revoke it."
        if token is None:
            created = f"the token {identity} of {row.account}"
            yield f"the audit log does not record the creation of {created}: {remedy}"
            continue
        differing = _another(
            ("account", row.account == token.account),
            ("label", row.label == token.label),
            ("rights", _read_list(row.permissions) == token.permissions),
            ("secret", fingerprint(row) == token.fingerprint),
            ("expiry", row.expires_at == token.expires_at),
            ("revocation", row.revoked_at == token.revoked_at),
        )
        if differing:
            yield (
                f"the token {identity} of {row.account} has {differing} than in the audit log:"
                f" {remedy}"
            )


def compare_sessions(expected: ReplayedState, rows: Iterable[WebSession]) -> Iterator[str]:
    """Yield a sentence for each session without a recorded start, or open after a recorded end."""
    for row in sorted(rows, key=lambda row: row.id):
        session = expected.sessions.get(row.id)
        if session is None or (row.account, row.token or "login") != (session.account, session.by):
            yield (
                f"the audit log does not record the start of the session {row.id} of {row.account}:"
                f" {BY_HAND}; end it with `hening-server session end`."
            )
        elif session.is_ended and row.ended_at is None:
            yield (
                f"the session {row.id} of {row.account} is open, but ended in the audit log:"
                f" {BY_HAND}; end it with `hening-server session end`."
            )


def compare_changes(expected: ReplayedState, rows: Iterable[Change]) -> Iterator[str]:
    """Yield a sentence for each change that differs from the audit log."""
    known = {row.id: row for row in rows}
    for identity in sorted(expected.changes.keys() - known.keys()):
        missing = expected.changes[identity]
        yield (
            f"the change {identity} ({missing.action} of {missing.subject}) is gone: {BY_HAND};"
            " restore it, or give the command again."
        )
    for identity, row in sorted(known.items()):
        change = expected.changes.get(identity)
        if change is None:
            yield (
                f"the audit log does not record the change {identity} ({row.action} of"
                f" {row.subject}): {BY_HAND}; cancel it."
            )
        elif differing := differences(row, change):
            remedy = (
                "restore the row" if row.finished_at else "cancel it, and give the command again"
            )
            yield (
                f"the change {identity} ({row.action} of {row.subject}) has {differing} than in the"
                f" audit log: {BY_HAND}; {remedy}."
            )


def compare_webhooks(expected: ReplayedState, rows: Iterable[Webhook]) -> Iterator[str]:
    """Yield a sentence for each webhook that differs from the audit log."""
    for row in sorted(rows, key=lambda row: row.id):
        webhook = expected.webhooks.get(row.id)
        remedy = f"{BY_HAND}; disable it, and create another."
        if webhook is None:
            yield f"the audit log does not record the creation of the webhook {row.id}: {remedy}"
            continue
        differing = _another(
            ("address or secret", webhook_fingerprint(row) == webhook.fingerprint),
            ("choice of events", _read_list(row.events) == webhook.events),
            ("state", (row.disabled_at is not None) == webhook.is_disabled),
        )
        if differing:
            yield f"the webhook {row.id} has {differing} than in the audit log: {remedy}"


def differences(row: Change, expected: ReplayedChange) -> str:
    """Return how a change's row differs from the audit log; an empty text if it does not."""
    sha256 = hashlib.sha256(row.arguments.encode()).hexdigest()
    proposal = (row.proposed_by, row.proposed_at) == (expected.proposed_by, expected.proposed_at)
    approval = (row.approved_by, row.approved_at) == (expected.approved_by, expected.approved_at)
    return _another(
        ("channel", (row.action, row.subject) == (expected.action, expected.subject)),
        ("command", sha256 == expected.sha256),
        ("time", row.due_at == expected.due_at),
        ("proposer", proposal),
        ("approval", approval),
        ("state", (row.state, row.finished_at) == (expected.state, expected.finished_at)),
    )


def _another(*members: tuple[str, bool]) -> str:
    """Return `another NAME and NAME` for the members that are not the same, else empty."""
    names = " and ".join(name for name, is_same in members if not is_same)
    return f"another {names}" if names else ""


def _read_list(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return []


async def check_control_plane(sessions: Sessions) -> list[Finding]:
    """Compare the rows with the audit log; read-only, and safe while a server runs."""

    async def look() -> list[Finding]:
        return [await _check_audit_log(sessions), *await _rows(sessions)]

    return await confirm(look)


async def _check_audit_log(sessions: Sessions) -> Finding:
    try:
        async with sessions() as session:
            found = await verify_audit_log(session)
    except HeningError as error:
        return Finding("audit-log", "", str(error))
    return Finding("audit-log", f"{found.length} entries, each as it was recorded")


async def _rows(sessions: Sessions) -> list[Finding]:
    expected = ReplayedState()
    async with sessions() as session:
        accounts = (await session.scalars(select(Account))).all()
        tokens = (await session.scalars(select(Token))).all()
        web_sessions = (await session.scalars(select(WebSession))).all()
        changes = (await session.scalars(select(Change))).all()
        webhooks = (await session.scalars(select(Webhook))).all()
        async for entry in read_audit_log(session):
            try:
                expected.add(describe(entry))
            except HeningError:
                continue  # `_check_audit_log` reports it
    return [
        finding
        for subject, rows, errors in (
            ("accounts", accounts, compare_accounts(expected, accounts)),
            ("tokens", tokens, compare_tokens(expected, tokens)),
            ("sessions", web_sessions, compare_sessions(expected, web_sessions)),
            ("changes", changes, compare_changes(expected, changes)),
            ("webhooks", webhooks, compare_webhooks(expected, webhooks)),
        )
        for finding in summarise(subject, f"{len(rows)}, each as in the audit log", list(errors))
    ]
