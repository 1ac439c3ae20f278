"""Replays the audit log: the accounts, changes and webhooks that follow from its entries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ReplayedAccount:
    """An account by the audit log; `codenames` as the audit log shortens them."""

    role: str
    codenames: list[str]
    subject: str | None = None
    is_disabled: bool = False


@dataclass(slots=True)
class ReplayedToken:
    """A token by the audit log."""

    account: str
    label: str
    permissions: list[str]
    fingerprint: str
    expires_at: int
    revoked_at: int | None = None


@dataclass(slots=True)
class ReplayedSession:
    """A session of the console; `by` is a token's id, or `login`."""

    account: str
    by: str
    is_ended: bool = False


@dataclass(slots=True)
class ReplayedChange:
    """A change by the audit log; `sha256` is of its arguments as the row holds them."""

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
    """A webhook by the audit log; `fingerprint` is of its address and secret."""

    events: list[str]
    fingerprint: str
    is_disabled: bool = False


@dataclass(slots=True)
class ReplayedState:
    """The state after the entries so far; `verify_audit_log` checks that they are complete."""

    accounts: dict[str, ReplayedAccount] = field(default_factory=dict)
    tokens: dict[str, ReplayedToken] = field(default_factory=dict)
    sessions: dict[str, ReplayedSession] = field(default_factory=dict)
    changes: dict[str, ReplayedChange] = field(default_factory=dict)
    webhooks: dict[str, ReplayedWebhook] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Apply the next entry, in the form of FORMATS section 11; ignore other entries."""
        action, detail = str(entry["action"]), entry["detail"]
        group, _, what = action.partition(".")
        try:
            if group == "account":
                self._account(what, entry, detail)
            elif group == "token":
                self._token(what, entry, detail)
            elif group == "session":
                self._session(what, entry, detail)
            elif group == "webhook":
                self._webhook(what, str(entry["subject"]).removeprefix("webhook/"), detail)
            elif group in {"rollout", "change"} and "change" in detail:
                self._change(action, entry, detail)
        except (KeyError, TypeError, ValueError, IndexError):
            return  # an altered entry, or one of a row whose first entry was altered

    def _account(self, what: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        name, at = entry["subject"], entry["at"]
        if what == "create":
            self.accounts[name] = ReplayedAccount(detail["role"], detail["codenames"])
            return
        account = self.accounts[name]
        if what == "change":
            account.role, account.codenames = detail["role"][1], detail["codenames"][1]
            account.subject = detail.get("subject", account.subject)
        elif what == "enable":
            account.is_disabled = False
        elif what == "disable":
            account.is_disabled = True
            self._end(at, account=name)

    def _token(self, what: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        at = entry["at"]
        if what == "create":
            self.tokens[detail["token"]] = ReplayedToken(
                entry["subject"],
                detail["label"],
                detail["permissions"],
                detail["fingerprint"],
                detail["expires_at"],
            )
        elif what == "revoke":
            token = self.tokens[detail["token"]]
            token.revoked_at = token.revoked_at or at
        elif what == "revoke-all":
            self._end(at)

    def _session(self, what: str, entry: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        if what == "begin":
            self.sessions[detail["session"]] = ReplayedSession(entry["subject"], detail["by"])
        elif what == "end":
            self.sessions[detail["session"]].is_ended = True

    def _webhook(self, what: str, identity: str, detail: Mapping[str, Any]) -> None:
        if what == "create":
            self.webhooks[identity] = ReplayedWebhook(detail["events"], detail["fingerprint"])
        elif what == "rotate":
            self.webhooks[identity].fingerprint = detail["fingerprint"]
        elif what in {"enable", "disable"}:
            self.webhooks[identity].is_disabled = what == "disable"

    def _end(self, at: int, account: str | None = None) -> None:
        """End all tokens and sessions, of one account or of all."""
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
