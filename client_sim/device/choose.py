"""Decides from the pointer alone what this phone should install (FORMATS section 4, Choice)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from client_sim.device.errors import PointerError
from client_sim.device.pointer import PackageLink, Pointer, Step, bucket, permille_at
from client_sim.world import RunningBuild


@dataclass(frozen=True, slots=True)
class Offer:
    """The package to install next; `final_counter` is the build that the way leads to."""

    path: str
    length: int
    sha256: str
    type: Literal["full", "incremental"]
    counter: int
    post_timestamp: int
    security_patch_level: str
    min_counter: int
    source_builds: tuple[str, ...]
    final_counter: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to install, and the sentence that says why."""

    reason: str


def plan_update(
    pointer: Pointer,
    running: RunningBuild,
    floor: int,
    secret: bytes,
    now: float,
    failed_builds: Collection[int],
) -> Offer | Nothing:
    """Choose the package for a phone that runs `running` and never goes below counter `floor`.

    `secret` is the phone's 32 octets, `failed_builds` the counters of builds that did not start
    on it. Raises PointerError if the next step would lead back to older code.
    """
    final = pointer.steps[-1]
    if pointer.halted:
        return Nothing(f"The roll-out is halted{_quote(pointer)}, so nothing is installed.")
    if final.counter <= floor:
        return Nothing(f"Build {floor} is the newest; there is nothing to install.")
    place = bucket(secret, pointer.codename, pointer.region, pointer.channel, final.counter)
    permille = permille_at(pointer.schedule, now)
    if place >= permille:
        pause = f", and it is paused{_quote(pointer)}" if pointer.paused else ""
        return Nothing(
            f"Build {final.counter} is rolled out to {permille} of 1000 phones so far and this one "
            f"is not among them{pause}."
        )
    reachable = [s for s in pointer.steps if s.counter > floor and s.min_counter <= floor]
    if not reachable:
        return Nothing(
            f"Build {final.counter} cannot be reached from build {floor}: a step between is gone."
        )
    step = reachable[-1]
    _check_forward(step, running)
    if step.counter in failed_builds:
        return Nothing(
            f"Build {step.counter} did not start on this phone, so it is not tried again by itself."
        )
    link = _pick_package(step, running.fingerprint)
    return Offer(
        path=link.path,
        length=link.length,
        sha256=link.sha256,
        type="incremental" if link.source_builds else "full",
        counter=step.counter,
        post_timestamp=step.post_timestamp,
        security_patch_level=step.security_patch_level,
        min_counter=step.min_counter,
        source_builds=link.source_builds,
        final_counter=final.counter,
    )


def _check_forward(step: Step, running: RunningBuild) -> None:
    if step.post_timestamp < running.post_timestamp:
        raise PointerError(f"Build {step.counter} is offered but older than the running one.")
    if step.security_patch_level < running.security_patch_level:
        raise PointerError(
            f"Build {step.counter} is offered but has an older security patch level."
        )


def _pick_package(step: Step, fingerprint: str) -> PackageLink:
    for link in step.packages:
        if fingerprint in link.source_builds:
            return link
    return step.packages[0]


def _quote(pointer: Pointer) -> str:
    """Return the reason in English, or in the first language there is, in brackets."""
    if not pointer.reason:
        return ""
    text = pointer.reason.get("en") or pointer.reason[min(pointer.reason)]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return f" ({printable})"
