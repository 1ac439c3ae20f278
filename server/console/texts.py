"""Changes and audit log entries as sentences."""

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
    build = "what is offered" if change.build is None else change.build.title
    words = _COMMAND_WORDS.get(change.action, change.action).format(build)
    return f"{words} in {change.channel}"


def plan_of(change: ChangeView) -> Plan | None:
    """Return the plan of a change, where it has one."""
    return change.command.plan if isinstance(change.command, Offer | Schedule) else None


def describe_plan(plan: Plan | None, tell_time: Callable[[int], str]) -> str:
    """Return the stages of a plan in words, such as `1% for 1 day, then 100%`."""
    if plan is None:
        return ""
    *kept, last = plan.stages
    stages = [f"{stage.permille / 10:g}% for {spell_span(stage.hold)}" for stage in kept]
    text = ", then ".join([*stages, f"{last.permille / 10:g}%"])
    return text if plan.start is None else f"{text}, from {tell_time(plan.start)} on"


def describe_windows(plan: Plan | None) -> list[str]:
    """Return a line such as `Mon-Thu 09:00-17:00 Asia/Jakarta` for each window of a calendar."""
    if plan is None or plan.calendar is None:
        return []
    return [
        f"{_name_days(window.days)} {window.start}\N{EN DASH}{window.until} {plan.calendar.zone}"
        for window in plan.calendar.windows
    ]


def _name_days(days: list[Weekday]) -> str:
    """Return first and last of three or more days in a row, else each of them."""
    wanted = [day for day in WEEKDAYS if day in days]
    first = WEEKDAYS.index(wanted[0])
    is_row = len(wanted) > 2 and tuple(wanted) == WEEKDAYS[first : first + len(wanted)]
    names = [day.capitalize() for day in wanted]
    return f"{names[0]}\N{EN DASH}{names[-1]}" if is_row else ", ".join(names)


_ACTION_WORDS = {
    "account.create": "Created the account {}.",
    "account.change": "Changed the account {}.",
    "account.disable": "Disabled the account {}.",
    "account.enable": "Enabled the account {}.",
    "change.approve": "Approved a change of {}.",
    "change.cancel": "Cancelled a change of {}.",
    "change.reject": "Rejected a change of {}.",
    "clock.confirm": "Confirmed the clock.",
    "keys.new": "Created the next key of {}.",
    "keys.switch": "Switched to the next key of {}.",
    "server.gc": "Removed unused packages.",
    "server.init": "Created the server's online keys.",
    "server.migrate": "Migrated the database.",
    "server.pin": "Pinned the root that all trust starts from.",
    "server.rebuild": "Rebuilt the database.",
    "session.begin": "{} signed in to the console.",
    "session.end": "Ended a session of {}.",
    "submission.publish": "Published the submission {}.",
    "submission.receive": "Received the submission {}.",
    "submission.refuse": "Refused the submission {}.",
    "token.create": "Created a token for {}.",
    "token.revoke": "Revoked a token of {}.",
    "token.revoke-all": "Ended all tokens and sessions.",
    "upload.create": "Began the upload {}.",
    "upload.finish": "Finished the upload {}.",
    "webhook.create": "Created {}.",
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
# The sentence has it, or it is only for `check`.
_UNSAID = {"arguments", "receipt", "state"}
_SHORT = 16  # digits of a hash that people compare; the rest is in `--json`
_HASH = re.compile(r"[0-9a-f]{64}")


def describe_entry(action: str, subject: str, change: ChangeView | None) -> str:
    """Return a sentence that says what was done; `change` is the change that the entry is about."""
    subject = _shorten(subject)
    if change is not None:
        return f"{_OUTCOMES.get(action.rpartition('.')[2], 'Proposed')}: {describe_change(change)}."
    known = _ACTION_WORDS.get(action)
    return f"{action} of {subject}." if known is None else known.format(subject)


def describe_details(
    action: str,
    at: int,
    detail: Mapping[str, Any],
    change: ChangeView | None,
    tell_time: Callable[[int], str],
) -> str:
    """Return the further facts of an entry of the time `at`; empty where there are none."""
    return "; ".join(_facts(action, at, detail, change, tell_time))


def _facts(
    action: str,
    at: int,
    detail: Mapping[str, Any],
    change: ChangeView | None,
    tell_time: Callable[[int], str],
) -> Iterator[str]:
    plan = None if change is None else plan_of(change)
    if plan is not None and "order" in detail:
        yield f"plan: {describe_plan(plan, tell_time)}"
    if change is not None and (reasons := detail.get("order", {}).get("reason")):
        yield f"for owners: {_spell('', reasons, tell_time)}"
    for name, value in detail.items():
        is_at_once = name == "due_at" and value == at
        is_said = name in _UNSAID or (name == "order" and change is not None)
        if is_said or is_at_once or value in ("", [], {}):
            continue
        if action == "account.change" and isinstance(value, list):
            spelt = " to ".join(_spell(name, each, tell_time) for each in value)  # before and after
        else:
            spelt = _spell(name, value, tell_time)
        yield f"{name.removesuffix('_at').replace('_', ' ')}: {spelt}"


def _spell(
    name: str,
    value: Any,  # noqa: ANN401 - what JSON can hold
    tell_time: Callable[[int], str],
) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_spell(key, each, tell_time)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_spell(name, each, tell_time) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        known: Callable[[int], str] = str
        if name in _TIMES:
            known = tell_time
        elif name in _SIZES:
            known = spell_size
        return known(value)
    return _shorten(str(value))


def _shorten(text: str) -> str:
    """Return the first digits of a sha256; any other text as it is."""
    return text[:_SHORT] if _HASH.fullmatch(text) else text
