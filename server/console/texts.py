"""Changes, plans and entries of the audit log in words."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from server.core.quantities import spell_size, spell_span
from server.release.rollouts.changes import ChangeView
from server.release.rollouts.commands import Offer, Schedule
from server.release.rollouts.plan import WEEKDAYS, Plan, Weekday

_COMMAND_WORDS = {
    "offer": "offer {}",
    "schedule": "give {} a new schedule",
    "pause": "pause {}",
    "resume": "resume {}",
    "halt": "halt {}",
}


def describe_change(change: ChangeView) -> str:
    """Return a change in words, such as `offer 1.2.0-id (build 2) in armani/id/stable`."""
    build = "the offered build" if change.build is None else change.build.title
    words = _COMMAND_WORDS.get(change.action, change.action).format(build)
    return f"{words} in {change.channel}"


def plan_of(change: ChangeView) -> Plan | None:
    """Return the plan of a change, or None if it has none."""
    return change.command.plan if isinstance(change.command, Offer | Schedule) else None


def describe_plan(plan: Plan | None, format_time: Callable[[int], str]) -> str:
    """Return the stages of a plan in words, such as `1% for 1 day, then 100%`."""
    if plan is None:
        return ""
    *earlier, last = plan.stages
    stages = [f"{stage.permille / 10:g}% for {spell_span(stage.hold)}" for stage in earlier]
    text = ", then ".join([*stages, f"{last.permille / 10:g}%"])
    return text if plan.start is None else f"{text}, from {format_time(plan.start)} on"


def describe_windows(plan: Plan | None) -> list[str]:
    """Return a line such as `Mon-Thu 09:00-17:00 Asia/Jakarta` for each window of a calendar."""
    if plan is None or plan.calendar is None:
        return []
    return [
        f"{_name_days(window.days)} {window.start}\N{EN DASH}{window.until} {plan.calendar.zone}"
        for window in plan.calendar.windows
    ]


def _name_days(days: list[Weekday]) -> str:
    """Return the names of days; of three or more consecutive days, the first and the last."""
    chosen = [day for day in WEEKDAYS if day in days]
    first = WEEKDAYS.index(chosen[0])
    is_row = len(chosen) > 2 and tuple(chosen) == WEEKDAYS[first : first + len(chosen)]
    names = [day.capitalize() for day in chosen]
    return f"{names[0]}\N{EN DASH}{names[-1]}" if is_row else ", ".join(names)


_ACTION_WORDS = {
    "account.create": "created the account {}",
    "account.change": "changed the account {}",
    "account.disable": "disabled the account {}",
    "account.enable": "enabled the account {}",
    "clock.confirm": "confirmed the clock",
    "keys.new": "created the next key of {}",
    "keys.switch": "switched to the next key of {}",
    "server.gc": "removed unused packages",
    "server.init": "created the server's online keys",
    "server.migrate": "migrated the database",
    "server.pin": "pinned the initial root",
    "server.rebuild": "rebuilt the database",
    "session.begin": "signed in to the console",
    "session.end": "ended a session of {}",
    "submission.publish": "published the bundle {}",
    "submission.receive": "submitted the bundle {}",
    "submission.refuse": "refused the bundle {}",
    "token.create": "created a token for {}",
    "token.revoke": "revoked a token of {}",
    "token.revoke-all": "ended all tokens and sessions",
    "upload.create": "began the upload {}",
    "upload.finish": "finished the upload {}",
    "webhook.create": "created {}",
    "webhook.disable": "disabled {}",
    "webhook.enable": "enabled {}",
    "webhook.ping": "sent a test event to {}",
    "webhook.redeliver": "sent an event to {} again",
    "webhook.rotate": "replaced the secret of {}",
}
_STEP_WORDS = {
    "offer": ("offer", "offered"),
    "schedule": ("give a new schedule to", "gave a new schedule to"),
    "raise": ("raise", "raised"),
    "pause": ("pause", "paused"),
    "resume": ("resume", "resumed"),
    "halt": ("halt", "halted"),
}
_DECISIONS = {"approve": "approved", "cancel": "cancelled", "reject": "rejected"}
_TIMES = {"expires_at", "due_at", "clock", "vouched"}
_SIZES = {"length", "octets"}
# Members that are in the sentence already, or only needed by `hening-server check`.
_UNSAID = {"arguments", "receipt", "state"}
_SHORT = 16  # shown digits of a hash, enough to compare; `--json` has all of them
_HASH = re.compile(r"[0-9a-f]{64}")


def describe_entry(actor: str, action: str, subject: str, change: ChangeView | None) -> str:
    """Return an entry as a sentence, such as `cli:root halted armani/id/stable (1.2.0-id)`.

    `change` is the entry's change, if any. Of `actor` only the account is named, without token or
    session.
    """
    account = actor.partition("/")[0]
    if change is not None:
        return f"{account} {_describe_step(account, action.rpartition('.')[2], change)}"
    subject = _shorten(subject)
    known = _ACTION_WORDS.get(action)
    return (
        f"{account} did {action} to {subject}"
        if known is None
        else f"{account} {known.format(subject)}"
    )


def _describe_step(account: str, step: str, change: ChangeView) -> str:
    """Return the step of a change in words: it was asked for, decided, done or refused."""
    build, plan = change.build, plan_of(change)
    name = "" if build is None else build.version or f"build {build.counter}"
    place = f"{change.channel} ({name})" if name else change.channel
    action = change.action
    if action == "schedule" and plan is not None and len(plan.stages) == 1:
        action, place = "raise", f"{place} to {plan.stages[0].permille / 10:g}%"
    request, verb = _STEP_WORDS.get(action, (action, action))
    if step == "done":
        suffix = "" if account == change.proposed_by else f", as {change.proposed_by} asked"
        return f"{verb} {place}{suffix}"
    if step == "refused":
        return f"refused what {change.proposed_by} asked for: {request} {place}"
    if step in _DECISIONS:
        return f"{_DECISIONS[step]} what {change.proposed_by} asked for: {request} {place}"
    return f"asked to {request} {place}"


def describe_details(
    action: str,
    at: int,
    detail: Mapping[str, Any],
    change: ChangeView | None,
    format_time: Callable[[int], str],
) -> str:
    """Return further facts of an entry that was recorded at `at`; empty if there are none."""
    return "; ".join(_facts(action, at, detail, change, format_time))


def _facts(
    action: str,
    at: int,
    detail: Mapping[str, Any],
    change: ChangeView | None,
    format_time: Callable[[int], str],
) -> Iterator[str]:
    plan = None if change is None else plan_of(change)
    if plan is not None and "order" in detail:
        yield f"plan: {describe_plan(plan, format_time)}"
    if change is not None and (reasons := detail.get("order", {}).get("reason")):
        yield f"for owners: {_spell('', reasons, format_time)}"
    for name, value in detail.items():
        is_at_once = name == "due_at" and value == at
        is_omitted = name in _UNSAID or (name == "order" and change is not None)
        if is_omitted or is_at_once or value in ("", [], {}):
            continue
        if action == "account.change" and isinstance(value, list):
            spelt = " to ".join(_spell(name, each, format_time) for each in value)  # old and new
        else:
            spelt = _spell(name, value, format_time)
        yield f"{name.removesuffix('_at').replace('_', ' ')}: {spelt}"


def _spell(
    name: str,
    value: Any,  # noqa: ANN401 - any JSON value
    format_time: Callable[[int], str],
) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_spell(key, each, format_time)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_spell(name, each, format_time) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        known: Callable[[int], str] = str
        if name in _TIMES:
            known = format_time
        elif name in _SIZES:
            known = spell_size
        return known(value)
    return _shorten(str(value))


def _shorten(text: str) -> str:
    """Return the first digits of a sha256, and any other text unchanged."""
    return text[:_SHORT] if _HASH.fullmatch(text) else text
