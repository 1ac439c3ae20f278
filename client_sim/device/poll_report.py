"""Describes a poll and its checks for people and for programs."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from client_sim.device.client import PollOutcome
from client_sim.device.rules import Check
from client_sim.transport import encode_request


def describe_poll(outcome: PollOutcome, checks: Sequence[Check]) -> dict[str, object]:
    """Return a poll, and the checks after it, for programs."""
    return {
        "requests": list(outcome.requests),
        "changed": outcome.changed,
        "offer": None if outcome.offer is None else asdict(outcome.offer),
        "reason": outcome.reason,
        "warnings": list(outcome.warnings),
        "versions": dict(outcome.versions),
        "refused": outcome.failure is not None,
        "halted": outcome.halted,
        "checks": [asdict(check) for check in checks],
    }


def describe_requests(host: str, outcome: PollOutcome) -> Iterator[str]:
    """Yield the bytes of every request of a poll, line by line, as they left the phone."""
    for path in outcome.requests:
        for line in encode_request(host, path).decode("ascii").split("\r\n")[:-1]:
            yield f"{line}\\r\\n"


def describe_checks(checks: Sequence[Check]) -> Iterator[str]:
    """Yield a line for each check: whether it passed, its name, its sentence."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        yield f"{'ok' if check.passed else 'no'}  {check.name:{width}}  {check.sentence}"


def format_date(seconds: float) -> str:
    """Return epoch seconds as date and time in UTC, or as a number outside the calendar."""
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
