"""Orders in words: what is ordered, by which plan, in which windows. Pure."""

from collections.abc import Callable

from server.core.quantities import spell_span
from server.release.rollouts.changes import ChangeView
from server.release.rollouts.orders import Offer, Schedule
from server.release.rollouts.plan import WEEKDAYS, Plan, Weekday

_WORDS = {
    "offer": "offer {}",
    "schedule": "give {} a new schedule",
    "pause": "pause {}",
    "resume": "resume {}",
    "halt": "halt {}",
}


def describe_order(change: ChangeView) -> str:
    """Return an order in words, such as `offer 1.2.0-id (build 2) in armani/id/stable`."""
    build = "what is offered" if change.build is None else change.build.title
    words = _WORDS.get(change.action, change.action).format(build)
    return f"{words} in {change.channel}"


def plan_of(change: ChangeView) -> Plan | None:
    """Return the plan of an order, where it has one."""
    return change.order.plan if isinstance(change.order, Offer | Schedule) else None


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
