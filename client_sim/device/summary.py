"""Summaries of a phone's state and of a poll, for people and programs.

They leave out the phone's secret and its owner's data. This module verifies nothing: a poll decides
which metadata it trusts.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from client_sim.device.choose import Check
from client_sim.device.client import PollOutcome
from client_sim.device.conditions import format_minute, load_settings
from client_sim.device.options import format_date
from client_sim.device.phone import Phone
from client_sim.device.records import load_agreed, load_due, load_failed, load_unusable
from client_sim.device.signed_time import clock_floor
from client_sim.transport import encode_request, host_header

_ROLE: Final = "role."


def summarise(phone: Phone) -> dict[str, Any]:
    """Return a phone's identity, builds, records and next poll; raises DeviceError."""
    state, boot = phone.state, phone.boot_state
    return {
        **asdict(phone.image.facts),
        "running": asdict(phone.running_build),
        "floor": phone.floor,
        "next_poll": load_due(state),
        "clock_floor": clock_floor(
            state, phone.public.built_at, phone.running_build.post_timestamp
        ),
        "roles": {
            name.removeprefix(_ROLE): _read_version(state[name])
            for name in state
            if name.startswith(_ROLE)
        },
        "failed_builds": list(load_failed(state)),
        "unusable_incrementals": list(load_unusable(state)),
        "agreed_build": load_agreed(state),
        "wishes": asdict(load_settings(state)),
        "has_secret": "secret" in state,
        "slots": {
            name: {
                "build": None if slot.build is None else slot.build.counter,
                "runs": name == boot.running,
                "boots_next": name == boot.active,
                "confirmed": slot.successful,
                "failed": slot.failed,
            }
            for name, slot in sorted(boot.slots.items())
        },
    }


def describe_summary(phone: Phone) -> Iterator[str]:
    """Yield the summary of a phone as lines for people."""
    facts, build, summary = phone.image.facts, phone.running_build, summarise(phone)
    yield f"model {facts.codename}, region {facts.region}, channel {facts.channel}"
    yield f"asks {'https' if facts.tls else 'http'}://{host_header(phone.public)}"
    yield f"runs build {build.counter}, {build.fingerprint}"
    made = format_date(build.post_timestamp)
    yield f"made {made}, security patches of {build.security_patch_level}"
    yield f"installs nothing up to build {summary['floor']}"
    yield f"accepts no time before {format_date(summary['clock_floor'])}"
    for name, slot in summary["slots"].items():
        yield f"slot {name} {_describe_slot(slot)}"
    due = summary["next_poll"]
    yield f"polls next {'at a time not drawn yet' if due is None else f'at {format_date(due)}'}"
    roles = [f"{name} {version}" for name, version in summary["roles"].items()]
    yield f"holds {', '.join(roles) or 'no metadata except the root in its image'}"
    yield from _describe_builds(summary)
    yield from _describe_settings(summary["wishes"])
    yield f"has {'a' if summary['has_secret'] else 'no'} secret, which never leaves it"


def _read_version(data: bytes) -> int | None:
    """Return the version in stored metadata; None if it cannot be read."""
    try:
        version = json.loads(data)["signed"]["version"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return version if type(version) is int else None


def _describe_slot(slot: dict[str, Any]) -> str:
    if slot["build"] is None:
        return "is empty"
    facts = [f"holds build {slot['build']}"]
    if slot["failed"]:
        facts.append("which did not start")
    elif slot["confirmed"]:
        facts.append("confirmed")
    if slot["runs"]:
        facts.append("which runs")
    elif slot["boots_next"]:
        facts.append("which starts at the next reboot")
    return ", ".join(facts)


def _describe_builds(summary: dict[str, Any]) -> Iterator[str]:
    if failed := summary["failed_builds"]:
        yield f"does not retry automatically: build {', '.join(map(str, failed))}"
    if unusable := summary["unusable_incrementals"]:
        yield f"skips {len(unusable)} incremental(s) that were gone or did not fit"
    if summary["agreed_build"] is not None:
        yield f"may install build {summary['agreed_build']}: the owner agreed"


def _describe_settings(settings: dict[str, Any]) -> Iterator[str]:
    yield "asks the owner before it installs" if settings["asks"] else "installs by itself"
    metered = "also" if settings["takes_metered"] else "not"
    yield f"downloads {metered} over metered networks"
    if settings["quiet"] is not None:
        start, end = map(format_minute, settings["quiet"])
        yield f"installs nothing from {start} to {end}"


def describe_poll(outcome: PollOutcome, checks: Sequence[Check]) -> dict[str, object]:
    """Return a poll and the checks after it as JSON values."""
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
    """Yield the bytes of every request of a poll, line by line, as the phone sent them."""
    for path in outcome.requests:
        for line in encode_request(host, path).decode("ascii").split("\r\n")[:-1]:
            yield f"{line}\\r\\n"


def describe_checks(checks: Sequence[Check]) -> Iterator[str]:
    """Yield a line for each check: its result, its name, its sentence."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        yield f"{'ok' if check.passed else 'no'}  {check.name:{width}}  {check.sentence}"
