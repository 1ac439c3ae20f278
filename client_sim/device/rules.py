"""The rules of the choice, one by one, each with a sentence for the owner on its result.

Names and order are those of FORMATS section 4, Choice.
"""

from collections.abc import Collection
from dataclasses import dataclass

from client_sim.device.pointer import PackageLink, Pointer, Step, bucket, permille_at
from client_sim.world import BuildFacts


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its name, whether the update passed, and why."""

    name: str
    passed: bool
    sentence: str


def judge_pointer(pointer: Pointer | None) -> Check:
    """Check that there is a pointer, and say where it leads."""
    if pointer is None:
        sentence = "No build has been announced for this model, region and channel."
        return Check("pointer", passed=False, sentence=sentence)
    way = ", ".join(str(step.counter) for step in pointer.steps)
    channel = f"{pointer.codename}/{pointer.region}/{pointer.channel}"
    builds = "the build" if len(pointer.steps) == 1 else "the builds"
    return Check("pointer", passed=True, sentence=f"{channel} leads to {builds} {way}.")


def judge_halt(pointer: Pointer) -> Check:
    """Refuse a halted rollout; a phone that has the build already reports that it is up to date."""
    return _choose(
        "halted",
        not pointer.halted,
        "The rollout is not halted.",
        f"The rollout is halted{_quote(pointer)}, so nothing is installed.",
    )


def judge_newer(final: Step, floor: int, running: BuildFacts) -> Check:
    """Refuse a final step that is not above the floor."""
    if running.counter < floor:
        fault = (
            f"Build {floor} was confirmed on this phone before build {running.counter} came back,"
            f" and only a build above {floor} is installed: no setting of the owner changes that."
        )
    else:
        fault = f"Build {floor} is the newest; there is nothing to install."
    return _choose(
        "newer",
        final.counter > floor,
        f"Build {final.counter} is newer than build {floor}; nothing up to that is installed.",
        fault,
    )


def judge_share(pointer: Pointer, secret: bytes, now: float) -> Check:
    """Refuse until the schedule has admitted this phone's bucket."""
    counter = pointer.steps[-1].counter
    place = bucket(secret, pointer.codename, pointer.region, pointer.channel, counter)
    permille = permille_at(pointer.schedule, now)
    so_far = f"Build {counter} is rolled out to {permille} of 1000 phones so far and this one is"
    pause = f", and it is paused{_quote(pointer)}" if pointer.paused else ""
    return _choose(
        "share",
        place < permille,
        f"{so_far} among them, at place {place}.",
        f"{so_far} not among them{pause}.",
    )


def find_step(pointer: Pointer, floor: int) -> Step | None:
    """Return the last step that can be installed on a phone with this floor, or None."""
    reachable = [s for s in pointer.steps if s.counter > floor and s.min_counter <= floor]
    return reachable[-1] if reachable else None


def judge_step(step: Step | None, final: Step, floor: int) -> Check:
    """Check that a step fits, and name its build; a phone may be too old for every step."""
    if step is None:
        return Check(
            "step",
            passed=False,
            sentence=f"Build {final.counter} cannot be reached from build {floor}: "
            "a step between is gone.",
        )
    stone = "" if step is final else f", as a stepping stone to build {final.counter}"
    return Check("step", passed=True, sentence=f"Build {step.counter} comes next{stone}.")


def judge_forward(step: Step, running: BuildFacts) -> Check:
    """Refuse older code under a higher counter: an attack or a mistake."""
    if step.post_timestamp < running.post_timestamp:
        fault = f"Build {step.counter} is offered but older than the running one."
    elif step.security_patch_level < running.security_patch_level:
        fault = f"Build {step.counter} is offered but has an older security patch level."
    else:
        sentence = f"Build {step.counter} is not older than the running one."
        return Check("forward", passed=True, sentence=sentence)
    return Check("forward", passed=False, sentence=fault)


def judge_failed(step: Step, failed_builds: Collection[int], *, retry_failed: bool) -> Check:
    """Refuse a build that did not boot on this phone, unless the owner wants to retry it."""
    if retry_failed and step.counter in failed_builds:
        sentence = f"Build {step.counter} did not start on this phone, and is tried once more."
        return Check("failed", passed=True, sentence=sentence)
    return _choose(
        "failed",
        step.counter not in failed_builds,
        f"Build {step.counter} has not failed to start on this phone.",
        f"Build {step.counter} did not start on this phone, so it is not tried again by itself.",
    )


def pick_package(step: Step, fingerprint: str, unusable: Collection[str]) -> PackageLink:
    """Return the first usable incremental from exactly the running build, else the full one."""
    for link in step.packages:
        if fingerprint in link.source_builds and link.sha256 not in unusable:
            return link
    return step.packages[0]


def judge_package(step: Step, link: PackageLink, fingerprint: str) -> Check:
    """Name the picked package and the reason; this always passes, as there is a full package."""
    if link.source_builds:
        why = "An incremental starts from exactly the running build"
    elif any(fingerprint in other.source_builds for other in step.packages):
        why = "The incremental was of no use on this phone, so the full package is taken"
    else:
        why = "No incremental starts from the running build, so the full package is taken"
    return Check("package", passed=True, sentence=f"{why}: {link.length} bytes.")


def _choose(name: str, passed: bool, yes: str, no: str) -> Check:
    return Check(name, passed=passed, sentence=yes if passed else no)


def _quote(pointer: Pointer) -> str:
    """Return the reason in English, or else in the first language, in brackets."""
    if not pointer.reason:
        return ""
    text = pointer.reason.get("en") or pointer.reason[min(pointer.reason)]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return f" ({printable})"
