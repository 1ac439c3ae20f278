"""Rollout commands, their effect on a channel's pointer, and the channel's entity tag. Pure."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

import msgspec

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel, decode_release_path, is_codename, suggest_similar
from server.core.pointer import Pointer, Reason, encode_pointer
from server.core.release import Positive, Release, decode_releases
from server.core.release_texts import check_note, check_reason
from server.publisher.build_names import BuildNames
from server.publisher.published import Trust
from server.publisher.rollout import plan_halt, plan_offer, plan_pause, plan_schedule
from server.release.auth.principal import Permission, Principal
from server.release.errors import ConflictError, NotFoundError, PreconditionError
from server.release.rollouts.plan import Course, Plan, build_course, course_of, expand

ANY = "*"
_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


def channel_etag(pointer: Pointer | None, role_version: int) -> str:
    """Return the entity tag of a channel's state, with its quotation marks.

    It depends on the version of the model's role, since the releases decide what can be offered. It
    does not depend on the version of `latest`: each renewal, and every change of another channel,
    would make all tags stale.
    """
    custom = None if pointer is None else encode_pointer(pointer)
    data = encode_canonical_json({"pointer": custom, "role": role_version})
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def read_if_match(text: str) -> list[str]:
    """Return the tags in an If-Match header, with their quotation marks, or `*` alone.

    Raises FormatError for anything else, including weak tags, which never match (RFC 9110 section
    13.1.1).
    """
    tags = [tag.strip() for tag in text.split(",")]
    if tags != [ANY] and any(_TAG.fullmatch(tag) is None for tag in tags):
        raise FormatError("If-Match is * or a list of quoted entity tags.")
    return tags


def is_match(if_match: str, etag: str) -> bool:
    """Answer whether an If-Match lists `etag` or is `*`."""
    tags = read_if_match(if_match)
    return tags == [ANY] or etag in tags


def check_if_match(if_match: str, etag: str) -> None:
    """Raise PreconditionError unless `if_match` lists the `etag` of a channel."""
    if not is_match(if_match, etag):
        raise PreconditionError(
            "the channel has changed meanwhile: read it again, and repeat with its new ETag."
        )


def hash_pointer(pointer: Pointer | None) -> str:
    """Return a pointer's sha256 for an intent; an empty text for None."""
    if pointer is None:
        return ""
    return hashlib.sha256(encode_canonical_json(encode_pointer(pointer))).hexdigest()


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="offer"):
    """Offer the build `counter`, with the stepping stones that it needs, by `plan`."""

    counter: Positive
    plan: Plan


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="schedule"):
    """Replace the rest of the schedule with `plan`; a paused rollout resumes with it."""

    plan: Plan


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pause"):
    """Freeze the reached share; `reason` is shown to owners, by locale."""

    reason: Reason = {}


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="resume"):
    """Resume with the stages that a pause removed from the schedule."""


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="halt"):
    """Stop admitting devices, even those that have not switched slots yet; final for the build."""

    reason: Reason = {}


Command = Offer | Schedule | Pause | Resume | Halt
RAISING = (Offer, Schedule, Resume)  # the commands that may admit more phones
Note = Annotated[str, msgspec.Meta(max_length=500)]


def action_of(command: Command) -> str:
    """Return the name of a command: `offer`, `schedule`, `pause`, `resume`, `halt`."""
    return type(command).__name__.lower()


MAX_AHEAD = 366 * 86_400
MAX_WORDS = 4000
"""The maximum of a halt's or pause's reason and note together, in bytes of JSON without escapes.

A request with them fits into the 4 KiB of the urgent listener.
"""


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A command for a channel, to be carried out only if `if_match` matches the channel's tag."""

    channel: Channel
    command: Command
    if_match: str = ANY
    note: str = ""


def check_due(due_at: int | None, now: int) -> int:
    """Return when a command is carried out: at `due_at`, or now for None.

    Raises FormatError for a time in the past or more than a year ahead.
    """
    if due_at is not None and not now <= due_at <= now + MAX_AHEAD:
        raise FormatError("a change is due within a year from now, and not in the past.")
    return now if due_at is None else due_at


def check_words(request: ChangeRequest, pointer: Pointer | None) -> None:
    """Raise ReleaseError unless reason and note are plain text.

    The reason of a halt or pause may repeat texts of `pointer`, which are not checked again. Reason
    and note together have at most MAX_WORDS.
    """
    if isinstance(request.command, Halt | Pause):
        size = len(msgspec.json.encode({"reason": request.command.reason, "note": request.note}))
        if size > MAX_WORDS:
            raise ReleaseError(
                f"reason and note have {size} bytes together and may have {MAX_WORDS}: shorten"
                " them, or leave languages out."
            )
        check_reason(request.command.reason, pointer)
    check_note(request.note)


def check_allowed(principal: Principal, request: ChangeRequest) -> None:
    """Raise PermissionDeniedError unless `principal` may give the command of `request`."""
    needed = Permission.HALT if isinstance(request.command, Halt) else Permission.ROLLOUT
    principal.check(needed, request.channel.codename)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """The published state of a channel: its model's releases, and its pointer if there is one.

    `files` maps target paths to length in bytes and sha256. `names` has the builds' names.
    """

    channel: Channel
    role_version: int
    releases: Mapping[str, Release]
    files: Mapping[str, tuple[int, str]]
    pointer: Pointer | None
    names: BuildNames = field(default_factory=lambda: BuildNames({}))

    @property
    def etag(self) -> str:
        """The entity tag for the If-Match of a change of this channel."""
        return channel_etag(self.pointer, self.role_version)

    def require_pointer(self) -> Pointer:
        """Return the pointer; raises NotFoundError if nothing was ever offered."""
        if self.pointer is None:
            others = (str(decode_release_path(path)[0]) for path in self.releases)
            near = suggest_similar(str(self.channel), others)
            raise NotFoundError(f"{self.channel} offers nothing yet: offer a release first.{near}")
        return self.pointer


@dataclass(frozen=True, slots=True)
class Edited:
    """The resulting pointer, and the course of its schedule."""

    pointer: Pointer
    course: Course


def view_channel(channel: Channel, trust: Trust | None) -> ChannelView:
    """Return the view of `channel` under `trust`; raises NotFoundError for an unknown model."""
    role = None if trust is None else trust.roles.get(channel.codename)
    if trust is None or role is None:
        known = () if trust is None else filter(is_codename, trust.roles)
        near = suggest_similar(channel.codename, known)
        raise NotFoundError(
            f"there is no model {channel.codename}: look at the list of models.{near}"
        )
    files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
    pointer = trust.pointers().get(channel.pointer_path)
    names = BuildNames({channel.codename: role})
    return ChannelView(channel, role.version, decode_releases(role), files, pointer, names)


OfferCheck: TypeAlias = Callable[[ChannelView, Pointer], None]
"""A function that raises an error to refuse the offer of a pointer."""


def accept_offer(view: ChannelView, pointer: Pointer) -> None:
    """Accept every offer."""


def carry_out(
    command: Command,
    view: ChannelView,
    known: Course | None,
    now: int,
    check_offer: OfferCheck = accept_offer,
) -> Edited:
    """Return the effect of `command` on a channel at `now`, in epoch seconds.

    `known` is the recorded course of the pointer's schedule, if any. Raises a HeningError if the
    command does not fit.
    """
    channel = view.channel
    if isinstance(command, Offer):
        course = expand(command.plan, now)
        pointer = plan_offer(
            channel, command.counter, view.releases, view.files, course.schedule, view.pointer, now
        )
        check_offer(view, pointer)
        return Edited(pointer, course)
    current = view.require_pointer()
    if isinstance(command, Schedule):
        course = expand(command.plan, now)
        return _go_on(plan_schedule(channel, current, course.schedule, now), course)
    before = course_of(current.schedule) if known is None else known
    if isinstance(command, Halt):
        return Edited(plan_halt(channel, current, command.reason), before)
    if isinstance(command, Pause):
        pointer = plan_pause(channel, current, command.reason, now)
        ready = [start for start, _ in pointer.schedule]
        rest = before.cut(now) if not current.paused else None if known is None else known.rest
        return Edited(pointer, Course(list(pointer.schedule), ready, before.calendar, rest))
    return _resume(channel, current, known, now)


def _resume(channel: Channel, current: Pointer, known: Course | None, now: int) -> Edited:
    if current.halted:
        raise ConflictError(f"{channel} is halted for good: offer a later release.")
    if not current.paused:
        raise ConflictError(f"{channel} is not paused, so there is nothing to resume.")
    if known is None or known.rest is None:
        raise ConflictError(
            f"the stages that the pause of {channel} removed are not recorded here: give a new"
            " schedule."
        )
    if not known.rest:
        pointer = msgspec.structs.replace(current, paused=False, reason={})
        return Edited(pointer, msgspec.structs.replace(known, rest=None))
    course = build_course(known.rest, now, known.calendar)
    return _go_on(plan_schedule(channel, current, course.schedule, now), course)


def _go_on(pointer: Pointer, course: Course) -> Edited:
    """Return the edit; its course includes the pairs of the shares reached before."""
    past = list(pointer.schedule)[: len(pointer.schedule) - len(course.schedule)]
    ready = [*(start for start, _ in past), *course.ready]
    return Edited(pointer, Course(list(pointer.schedule), ready, course.calendar))
