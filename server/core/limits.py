"""Limits on what cannot be taken back: times, counters and lifetimes that a role signs.

Source: docs/FORMATS.md section 16. Each limit is measured against the time of signing, or between
neighbours in the role itself, and never against what a phone happens to hold.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from tuf.api.metadata import Root, Targets

from server.core.errors import HeningError, ProfileError, ReleaseError, TrustError
from server.core.floor import decode_floor
from server.core.names import is_codename, is_online
from server.core.release import decode_release

SKEW = timedelta(days=1)
"""How far a signed time may be ahead of the time of signing: the clocks of two machines."""

PATCH_LEVEL_SKEW = timedelta(days=62)
"""How far a patch level may be ahead: bulletins are named after a month that has yet to begin."""

COUNTER_STEP = 1000
"""How far a counter may be above the one before it: a mistyped one uses up no more."""

MAX_LIFETIME_DAYS = 3650
"""The lifetime of an offline role under a root that sets none."""

ONLINE_LIFETIMES = {"latest": timedelta(days=7), "snapshot": timedelta(days=7)}
TIMESTAMP_LIFETIME = timedelta(days=1)
"""A timestamp was signed this long before it expires."""

Days = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME_DAYS)]


class Lifetimes(msgspec.Struct, frozen=True):
    """For how many days a new version of an offline role may be valid, from its signing on."""

    codenames: Days = MAX_LIFETIME_DAYS
    content: Days = MAX_LIFETIME_DAYS
    tables: Days = MAX_LIFETIME_DAYS
    targets: Days = MAX_LIFETIME_DAYS

    def of(self, role: str) -> timedelta:
        """Return the limit of an offline role other than root."""
        return timedelta(days=getattr(self, "codenames" if is_codename(role) else role))


def decode_lifetimes(root: Root) -> Lifetimes:
    """Read the `lifetimes` of root's `custom`; each that is absent is ten years.

    Raises ProfileError where they are malformed.
    """
    custom = root.unrecognized_fields.get("custom")
    stated = custom.get("lifetimes", {}) if isinstance(custom, dict) else {}
    try:
        return msgspec.convert(stated, Lifetimes)
    except msgspec.ValidationError as error:
        raise ProfileError(f"root's `lifetimes` are malformed: {error}.") from error


def check_limits(name: str, role: Targets, root: Root, signed_at: datetime) -> None:
    """Raise TrustError or ReleaseError for a new version of a role that exceeds a limit.

    `signed_at` is when the timestamp is signed that is published with it.
    """
    for error in _find_excess(name, role, root, signed_at):
        raise error


def find_excess(name: str, role: Targets, root: Root, signed_at: datetime) -> list[str]:
    """Return a sentence for each limit that a role exceeds, up to one for what is malformed."""
    found: list[str] = []
    try:
        found.extend(str(error) for error in _find_excess(name, role, root, signed_at))
    except HeningError as error:
        found.append(str(error))
    return found


def check_lifetimes(root: Root, roles: Mapping[str, Targets], now: datetime) -> None:
    """Raise TrustError for a root whose lifetimes would outlaw one of the `roles` in force."""
    for name, role in roles.items():
        if not is_online(name) and role.expires > now + decode_lifetimes(root).of(name) + SKEW:
            raise TrustError(
                f"root {root.version} allows {name} {decode_lifetimes(root).of(name).days} days,"
                f" and {name} {role.version} expires on {role.expires:%Y-%m-%d}: sign {name} again"
                f" before (`hening-signer ceremony renew {name} --expires {name}=DAYS`)."
            )


def _find_excess(
    name: str, role: Targets, root: Root, signed_at: datetime
) -> Iterator[HeningError]:
    lifetime = ONLINE_LIFETIMES["latest"] if is_online(name) else decode_lifetimes(root).of(name)
    if role.expires > signed_at + lifetime + SKEW:
        yield TrustError(
            f"{name} {role.version} expires on {role.expires:%Y-%m-%d}, and may be valid for"
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
                f" of the time of signing, {signed_at:%Y-%m-%d}: it is in seconds since 1970 and"
                " lies in the past."
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
                f" {before}, the one before it, and there would be no way back."
            )
        before = counter


def _tell(seconds: int) -> str:
    """Return a time as a day where it is one, or else as it stands."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return str(seconds)
