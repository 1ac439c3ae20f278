"""Entries of the trail as people read them: when, who, and a sentence about what was done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from hening.times import show_time
from server.cli.change_output import describe_order, describe_plan
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView

_INDENT = 4
_WORDS = {
    "account.create": "Made the account {}.",
    "account.change": "Changed the account {}.",
    "account.disable": "Disabled the account {}.",
    "account.enable": "Enabled the account {}.",
    "change.approve": "Approved a change of {}.",
    "change.cancel": "Cancelled a change of {}.",
    "change.reject": "Rejected a change of {}.",
    "clock.confirm": "Confirmed the clock.",
    "keys.new": "Made the next key of {}.",
    "keys.switch": "Switched to the next key of {}.",
    "server.gc": "Removed unused packages.",
    "server.init": "Made the server's online keys.",
    "server.migrate": "Brought the database to a new version.",
    "server.pin": "Pinned the root that all trust starts from.",
    "server.rebuild": "Filled the database again.",
    "session.begin": "{} signed in to the console.",
    "session.end": "Ended a session of {}.",
    "submission.publish": "Published the submission {}.",
    "submission.receive": "Received the submission {}.",
    "submission.refuse": "Refused the submission {}.",
    "token.create": "Made a token for {}.",
    "token.revoke": "Revoked a token of {}.",
    "token.revoke-all": "Ended all tokens and sessions.",
    "upload.create": "Began the upload {}.",
    "upload.finish": "Finished the upload {}.",
    "webhook.create": "Made {}.",
    "webhook.disable": "Disabled {}.",
    "webhook.enable": "Enabled {}.",
    "webhook.ping": "Sent a test event to {}.",
    "webhook.redeliver": "Sent an event to {} again.",
    "webhook.rotate": "Replaced the secret of {}.",
}
_OUTCOMES = {
    "approve": "Approved",
    "cancel": "Cancelled",
    "done": "Done",
    "refused": "Refused",
    "reject": "Rejected",
}
_TIMES = {"expires_at", "due_at", "clock", "vouched"}
_SIZES = {"length", "octets"}
# The sentence says it, or it is there for `check` alone.
_UNSAID = {"arguments", "receipt", "state"}
_SHORT = 16  # digits of a hash that people compare; the rest is in `--json`
_HASH = re.compile(r"[0-9a-f]{64}")


def print_entries(rows: Sequence[Mapping[str, Any]], changes: Mapping[str, ChangeView]) -> None:
    """Print entries; `changes` has the orders that they are about, by id."""
    console = Console(highlight=False)
    for row in rows:
        head = (str(row["index"]), show_time(row["at"]), row["actor"], row["action"])
        console.print(Text(escape_invisible("  ".join(head)), style="bold"))
        change = changes.get(row["detail"].get("change", ""))
        for line in (describe_entry(row, change), "; ".join(_facts(row, change))):
            text = Text(escape_invisible(line))
            for part in text.wrap(console, console.width - _INDENT) if line else ():
                part.rstrip()
                console.print(Text(" " * _INDENT) + part)


def describe_entry(row: Mapping[str, Any], change: ChangeView | None) -> str:
    """Return a sentence that says what was done; `change` is the order that the entry is about."""
    action, subject = row["action"], _shorten(row["subject"])
    if change is not None:
        return f"{_OUTCOMES.get(action.rpartition('.')[2], 'Ordered')}: {describe_order(change)}."
    known = _WORDS.get(action)
    return f"{action} of {subject}." if known is None else known.format(subject)


def _facts(row: Mapping[str, Any], change: ChangeView | None) -> Iterator[str]:
    """Yield what else an entry holds."""
    from server.console.calendars import plan_of

    action, detail = row["action"], row["detail"]
    plan = None if change is None else plan_of(change)
    if plan is not None and "order" in detail:
        yield f"plan: {describe_plan(plan)}"
    if change is not None and (reasons := detail.get("order", {}).get("reason")):
        yield f"for owners: {_spell('', reasons)}"
    for name, value in detail.items():
        is_at_once = name == "due_at" and value == row["at"]
        is_said = name in _UNSAID or (name == "order" and change is not None)
        if is_said or is_at_once or value in ("", [], {}):
            continue
        if action == "account.change" and isinstance(value, list):
            spelt = " to ".join(_spell(name, each) for each in value)  # before and after
        else:
            spelt = _spell(name, value)
        yield f"{name.removesuffix('_at').replace('_', ' ')}: {spelt}"


def _spell(name: str, value: Any) -> str:  # noqa: ANN401 - what JSON can hold
    if isinstance(value, dict):
        return ", ".join(f"{key} {_spell(key, each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_spell(name, each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        known: Callable[[int], str] = str
        if name in _TIMES:
            known = show_time
        elif name in _SIZES:
            known = spell_size
        return known(value)
    return _shorten(str(value))


def _shorten(text: str) -> str:
    """Return the first digits of a sha256; any other text as it is."""
    return text[:_SHORT] if _HASH.fullmatch(text) else text
