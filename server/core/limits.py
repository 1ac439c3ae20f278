"""Limits on signed values that cannot be taken back, and resets of roles by the root."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from tuf.api.metadata import Root, Targets

from server.core.content.kinds import CONTENT_ROLES
from server.core.encodings import MAX_INTEGER
from server.core.errors import HeningError, ProfileError, ReleaseError, TrustError
from server.core.names import is_codename, is_online
from server.core.release import Floor, decode_floor, decode_release, encode_floor

SKEW = timedelta(days=1)
"""How far a signed time may be ahead of the time of signing, because clocks differ."""

PATCH_LEVEL_SKEW = timedelta(days=62)
"""How far a patch level may be ahead: a bulletin may be named after a later month."""

COUNTER_STEP = 1000
"""How far a counter may be above the previous one, so that a typing error wastes no more."""

MAX_LIFETIME_DAYS = 3650
"""The maximum lifetime of an offline role under a root that sets none."""

ONLINE_LIFETIMES = {"latest": timedelta(days=7), "snapshot": timedelta(days=7)}
TIMESTAMP_LIFETIME = timedelta(days=1)
"""The time from a timestamp's signing to its expiry."""

Days = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME_DAYS)]


class Lifetimes(msgspec.Struct, frozen=True):
    """The maximum validity of an offline role's new version, in days from its signing."""

    codenames: Days = MAX_LIFETIME_DAYS
    content: Days = MAX_LIFETIME_DAYS
    tables: Days = MAX_LIFETIME_DAYS
    targets: Days = MAX_LIFETIME_DAYS

    def of(self, role: str) -> timedelta:
        """Return the limit of an offline role other than root."""
        return timedelta(days=getattr(self, "codenames" if is_codename(role) else role))


def decode_lifetimes(root: Root) -> Lifetimes:
    """Read the `lifetimes` of root's `custom`; a missing one is ten years.

    Raises ProfileError if they are malformed.
    """
    custom = root.unrecognized_fields.get("custom")
    stated = custom.get("lifetimes", {}) if isinstance(custom, dict) else {}
    try:
        return msgspec.convert(stated, Lifetimes)
    except msgspec.ValidationError as error:
        raise ProfileError(f"root's `lifetimes` are malformed: {error}.") from error


def check_limits(name: str, role: Targets, root: Root, signed_at: datetime) -> None:
    """Raise TrustError or ReleaseError for a new version of a role that exceeds a limit.

    `signed_at` is the signing time of the timestamp that is published with it.
    """
    for error in _find_excess(name, role, root, signed_at):
        raise error


def find_excess(name: str, role: Targets, root: Root, signed_at: datetime) -> list[str]:
    """Return a sentence for each exceeded limit, up to the first malformed value."""
    found: list[str] = []
    try:
        found.extend(str(error) for error in _find_excess(name, role, root, signed_at))
    except HeningError as error:
        found.append(str(error))
    return found


def check_lifetimes(root: Root, roles: Mapping[str, Targets], now: datetime) -> None:
    """Raise TrustError for a root whose lifetimes would invalidate one of the current `roles`."""
    for name, role in roles.items():
        if not is_online(name) and role.expires > now + decode_lifetimes(root).of(name) + SKEW:
            raise TrustError(
                f"root {root.version} allows {name} {decode_lifetimes(root).of(name).days} days,"
                f" but {name} {role.version} expires on {role.expires:%Y-%m-%d}: sign {name} again"
                f" first (`hening-signer ceremony renew {name} --expires {name}=DAYS`)."
            )


def _find_excess(
    name: str, role: Targets, root: Root, signed_at: datetime
) -> Iterator[HeningError]:
    lifetime = ONLINE_LIFETIMES["latest"] if is_online(name) else decode_lifetimes(root).of(name)
    if role.expires > signed_at + lifetime + SKEW:
        yield TrustError(
            f"{name} {role.version} expires on {role.expires:%Y-%m-%d}, but may be valid for only"
            f" {lifetime.days} days: choose an earlier expiry, or sign a root with a higher limit."
        )
    if is_codename(name):
        yield from _find_release_excess(name, role, signed_at)


def _find_release_excess(name: str, role: Targets, signed_at: datetime) -> Iterator[ReleaseError]:
    latest = int((signed_at + SKEW).timestamp())
    latest_day = f"{signed_at + PATCH_LEVEL_SKEW:%Y-%m-%d}"
    floor = decode_floor(role)
    counters: dict[int, str] = {}
    if floor.time > latest:
        yield ReleaseError(
            f"{name} {role.version} states the floor_time {_tell(floor.time)}, which is ahead of"
            f" the time of signing, {signed_at:%Y-%m-%d}."
        )
    for path, target in role.targets.items():
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        counters[release.counter] = path
        if release.post_timestamp > latest:
            yield ReleaseError(
                f"{path} states the post_timestamp {_tell(release.post_timestamp)}, which is ahead"
                f" of the time of signing, {signed_at:%Y-%m-%d}: give seconds since 1970, of a"
                " time in the past."
            )
        if release.security_patch_level > latest_day:
            yield ReleaseError(
                f"{path} states the patch level {release.security_patch_level}, which is more than"
                f" {PATCH_LEVEL_SKEW.days} days ahead of the time of signing,"
                f" {signed_at:%Y-%m-%d}."
            )
    before = max(floor.counter - 1, 0)
    for counter in sorted(counters):
        if counter - before > COUNTER_STEP:
            yield ReleaseError(
                f"{counters[counter]} has counter {counter}, more than {COUNTER_STEP} above"
                f" {before}, the previous one, and a counter cannot be lowered later."
            )
        before = counter


def _tell(seconds: int) -> str:
    """Return the date of a time in epoch seconds, or the number if it has no date."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]


class Reset(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest reset of a role: its number, and for a model the values that it resets to.

    `counter` is the highest valid counter, `time` the latest valid time in epoch seconds. Both are
    None for `tables` and `content`.
    """

    number: Number
    counter: Integer | None = None
    time: Integer | None = None


def decode_resets(root: Root) -> dict[str, Reset]:
    """Read the `resets` of root's `custom` by role; raises ProfileError if they are malformed."""
    custom = root.unrecognized_fields.get("custom")
    stated = custom.get("resets", {}) if isinstance(custom, dict) else {}
    try:
        resets = msgspec.convert(stated, dict[str, Reset])
    except msgspec.ValidationError as error:
        raise ProfileError(f"root's `resets` are malformed: {error}.") from error
    for name, reset in resets.items():
        # Phones refuse a null member, too.
        numbers = {"counter", "time"} & stated[name].keys()
        values = [value is not None for value in (reset.counter, reset.time)]
        if not (is_codename(name) and all(values)) and not (name in CONTENT_ROLES and not numbers):
            raise ProfileError(
                f"root resets {name[:64]!r}: a model's reset has `counter` and `time`, a reset of"
                " tables or content has neither, and no other role has resets."
            )
    return resets


def reset_number(role: Targets) -> int:
    """Return the number of the reset that a role follows, 0 for none; raises ProfileError."""
    custom = role.unrecognized_fields.get("custom")
    number = custom.get("reset", 0) if isinstance(custom, dict) else 0
    if type(number) is not int or not 0 <= number <= MAX_INTEGER:
        raise ProfileError(f"a role follows reset {str(number)[:32]!r}, which is not a number.")
    return number


def check_resets_follow(old: Root, new: Root) -> None:
    """Raise ProfileError unless the resets of `new` continue those of `old`.

    The number of a role's reset stays, with the same values, or grows by one.
    """
    before, after = decode_resets(old), decode_resets(new)
    for name in sorted(before.keys() | after.keys()):
        was = before.get(name)
        number = was.number if was else 0
        reset = after.get(name)
        if reset != was and (reset is None or reset.number != number + 1):
            raise ProfileError(
                f"root {new.version} changes the reset of {name} in root {old.version}: keep"
                f" reset {number}, or add reset {number + 1}."
            )


def check_follows_reset(name: str, role: Targets, root: Root) -> None:
    """Raise ReleaseError unless a delegated role follows its newest reset in `root`."""
    reset = decode_resets(root).get(name)
    number = 0 if reset is None else reset.number
    if reset_number(role) != number:
        raise ReleaseError(
            f"{name} {role.version} follows reset {reset_number(role)}, but root {root.version} has"
            f" reset {number} for it: submit both together (`hening-signer ceremony reset`)."
        )


def apply_reset(name: str, role: Targets, resets: Mapping[str, Reset]) -> Targets:
    """Return the part of `role` that its reset keeps, which the role's next version has to follow.

    A model's builds above the reset's counter, or later than its time, count as never listed, and
    the floor falls to match the reset. Nothing is left of `tables` and `content`. A role that
    already follows the reset is returned unchanged.
    """
    reset = resets.get(name)
    if reset is None or reset_number(role) == reset.number:
        return role
    if reset.counter is None or reset.time is None:
        fields: dict[str, object] = {
            "custom": {"hosts": [], "packs": {}, "reset": reset.number, "schema": 1}
        }
        return Targets(version=role.version, expires=role.expires, unrecognized_fields=fields)
    remaining = {}
    for path, target in role.targets.items():
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        if release.counter <= reset.counter and release.post_timestamp <= reset.time:
            remaining[path] = target
    counter = min(decode_floor(role).counter, reset.counter + 1)
    follower = Targets(
        version=role.version,
        expires=role.expires,
        targets=remaining,
        unrecognized_fields=role.unrecognized_fields,
    )
    floor = encode_floor(follower, Floor(schema=1, counter=counter, time=reset.time))
    members = {**floor["custom"], "reset": reset.number}
    ordered = {member: members[member] for member in sorted(members)}
    follower.unrecognized_fields = {**floor, "custom": ordered}
    return follower
