"""Calendar windows in words, such as `Mon-Thu 09:00-17:00 Asia/Jakarta`. Pure."""

from server.release.rollouts.changes import ChangeView
from server.release.rollouts.orders import Offer, Schedule
from server.release.rollouts.plan import Plan
from server.release.rollouts.windows import WEEKDAYS, Weekday


def plan_of(change: ChangeView) -> Plan | None:
    """Return the plan of an order, where it has one."""
    return change.order.plan if isinstance(change.order, Offer | Schedule) else None


def describe_windows(plan: Plan | None) -> list[str]:
    """Return a line for each window of a plan's calendar; none where steps begin at any time."""
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
