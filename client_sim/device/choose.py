"""Decides from the pointer alone what this phone should install (FORMATS section 4, Choice).

Each rule describes its result in a sentence for the owner. The rules have the names and the order
of that section.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from client_sim.device.pointer import PackageLink, Pointer, Step, bucket, permille_at
from client_sim.world import BuildFacts


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: its name, whether the update passed, and why."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The package to install next; `final_counter` is the final build of the upgrade path."""

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
class Decision:
    """The rules that were checked, in order up to the first that failed.

    There is an offer only if no rule failed.
    """

    checks: tuple[Check, ...]
    offer: Offer | None

    @property
    def reason(self) -> str:
        """The sentence of the deciding rule."""
        return self.checks[-1].sentence

    @property
    def leads_back(self) -> bool:
        """Whether the pointer offers older code, which is an attack or a mistake."""
        return self._is_ended_by("forward")

    @property
    def is_halted(self) -> bool:
        """Whether the pointer says that the rollout is halted."""
        return self._is_ended_by("halted")

    def _is_ended_by(self, name: str) -> bool:
        return self.offer is None and self.checks[-1].name == name


def decide_update(
    pointer: Pointer | None,
    running: BuildFacts,
    floor: int,
    secret: bytes,
    now: float,
    failed_builds: Collection[int],
    unusable: Collection[str] = (),
    *,
    retry_failed: bool = False,
) -> Decision:
    """Choose the package for a phone that runs `running` and never goes below counter `floor`.

    `secret` is the phone's 32 bytes, `now` epoch seconds, `failed_builds` the counters of builds
    that did not start on it, `unusable` the sha256 of incrementals that could not be used on it.
    `retry_failed` allows `failed_builds`.
    """

    def iter_checks() -> Iterator[Check | Offer]:
        """Yield the checks in order and then the offer, which is used if no check failed."""
        yield _judge_pointer(pointer)
        if pointer is None:
            return
        final = pointer.steps[-1]
        yield _judge_newer(final, floor, running)
        yield _judge_halt(pointer)
        yield _judge_share(pointer, secret, now)
        step = _find_step(pointer, floor)
        yield _judge_step(step, final, floor)
        if step is None:
            return
        yield _judge_forward(step, running)
        yield _judge_failed(step, failed_builds, retry_failed=retry_failed)
        link = _pick_package(step, running.fingerprint, unusable)
        yield _judge_package(step, link, running.fingerprint)
        yield _make_offer(step, link, final)

    checks: list[Check] = []
    for found in iter_checks():
        if isinstance(found, Offer):
            return Decision(tuple(checks), found)
        checks.append(found)
        if not found.passed:
            break
    return Decision(tuple(checks), None)


def _make_offer(step: Step, link: PackageLink, final: Step) -> Offer:
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


def _judge_pointer(pointer: Pointer | None) -> Check:
    """Check that there is a pointer, and name its builds."""
    if pointer is None:
        sentence = "No build has been announced for this model, region and channel."
        return Check("pointer", passed=False, sentence=sentence)
    counters = ", ".join(str(step.counter) for step in pointer.steps)
    channel = f"{pointer.codename}/{pointer.region}/{pointer.channel}"
    builds = "the build" if len(pointer.steps) == 1 else "the builds"
    return Check("pointer", passed=True, sentence=f"{channel} leads to {builds} {counters}.")


def _judge_halt(pointer: Pointer) -> Check:
    """Refuse a halted rollout; the rule `newer` has failed before on phones that have the build."""
    return _choose(
        "halted",
        not pointer.halted,
        "The rollout is not halted.",
        f"The rollout is halted{_quote(pointer)}, so nothing is installed.",
    )


def _judge_newer(final: Step, floor: int, running: BuildFacts) -> Check:
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


def _judge_share(pointer: Pointer, secret: bytes, now: float) -> Check:
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


def _find_step(pointer: Pointer, floor: int) -> Step | None:
    """Return the last step that can be installed on a phone with this floor, or None."""
    reachable = [s for s in pointer.steps if s.counter > floor and s.min_counter <= floor]
    return reachable[-1] if reachable else None


def _judge_step(step: Step | None, final: Step, floor: int) -> Check:
    """Check that there is a step for this phone, which may be too old for every one."""
    if step is None:
        return Check(
            "step",
            passed=False,
            sentence=f"Build {final.counter} cannot be reached from build {floor}: "
            "a step between is gone.",
        )
    stone = "" if step is final else f", as a stepping stone to build {final.counter}"
    return Check("step", passed=True, sentence=f"Build {step.counter} comes next{stone}.")


def _judge_forward(step: Step, running: BuildFacts) -> Check:
    """Refuse older code under a higher counter: an attack or a mistake."""
    if step.post_timestamp < running.post_timestamp:
        fault = f"Build {step.counter} is offered but older than the running one."
    elif step.security_patch_level < running.security_patch_level:
        fault = f"Build {step.counter} is offered but has an older security patch level."
    else:
        sentence = f"Build {step.counter} is not older than the running one."
        return Check("forward", passed=True, sentence=sentence)
    return Check("forward", passed=False, sentence=fault)


def _judge_failed(step: Step, failed_builds: Collection[int], *, retry_failed: bool) -> Check:
    """Refuse a build that did not boot on this phone, unless the owner wants to retry it."""
    if retry_failed and step.counter in failed_builds:
        sentence = f"Build {step.counter} did not start on this phone, and is tried once more."
        return Check("failed", passed=True, sentence=sentence)
    return _choose(
        "failed",
        step.counter not in failed_builds,
        f"Build {step.counter} has not failed to start on this phone.",
        f"Build {step.counter} did not start on this phone, so it is not retried automatically.",
    )


def _pick_package(step: Step, fingerprint: str, unusable: Collection[str]) -> PackageLink:
    """Return the first usable incremental from exactly the running build, else the full one."""
    for link in step.packages:
        if fingerprint in link.source_builds and link.sha256 not in unusable:
            return link
    return step.packages[0]


def _judge_package(step: Step, link: PackageLink, fingerprint: str) -> Check:
    """Name the picked package and the reason; always passes, as every step has a full package."""
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
    """Return the pointer's reason in parentheses: in English, or else in the first language."""
    if not pointer.reason:
        return ""
    text = pointer.reason.get("en") or pointer.reason[min(pointer.reason)]
    printable = "".join(character if character.isprintable() else " " for character in text)
    return f" ({printable})"
