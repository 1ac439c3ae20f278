"""Decides from the pointer alone what this phone should install (FORMATS section 4, Choice)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from client_sim.device.pointer import PackageLink, Pointer, Step
from client_sim.device.rules import (
    Check,
    find_step,
    judge_failed,
    judge_forward,
    judge_halt,
    judge_newer,
    judge_package,
    judge_pointer,
    judge_share,
    judge_step,
    pick_package,
)
from client_sim.world import BuildFacts


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
    """The rules that were checked, in order up to the first that failed, and the offer.

    There is an offer if none failed.
    """

    checks: tuple[Check, ...]
    offer: Offer | None

    @property
    def reason(self) -> str:
        """The sentence of the deciding rule."""
        return self.checks[-1].sentence

    @property
    def leads_back(self) -> bool:
        """Whether the pointer offers older code, because of an attack or a mistake."""
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
    checks: list[Check] = []
    asked = _ask(pointer, running, floor, secret, now, failed_builds, unusable, retry_failed)
    for found in asked:
        if isinstance(found, Offer):
            return Decision(tuple(checks), found)
        checks.append(found)
        if not found.passed:
            break
    return Decision(tuple(checks), None)


def _ask(
    pointer: Pointer | None,
    running: BuildFacts,
    floor: int,
    secret: bytes,
    now: float,
    failed_builds: Collection[int],
    unusable: Collection[str],
    retry_failed: bool,
) -> Iterator[Check | Offer]:
    """Yield one check after the other and then the offer; callers stop at a failed check."""
    yield judge_pointer(pointer)
    if pointer is None:
        return
    final = pointer.steps[-1]
    yield judge_newer(final, floor, running)
    yield judge_halt(pointer)
    yield judge_share(pointer, secret, now)
    step = find_step(pointer, floor)
    yield judge_step(step, final, floor)
    if step is None:
        return
    yield judge_forward(step, running)
    yield judge_failed(step, failed_builds, retry_failed=retry_failed)
    link = pick_package(step, running.fingerprint, unusable)
    yield judge_package(step, link, running.fingerprint)
    yield _make_offer(step, link, final)


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
