"""Resets: how root takes back what a thief of a role's keys, or a mistake, pushed ahead.

Source: docs/FORMATS.md section 16. Root's `custom` numbers the resets of each role; the role states
the number that it follows, so that no version from before the reset counts after it.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from tuf.api.metadata import Root, Targets

from server.core.content.kinds import CONTENT_ROLES
from server.core.encodings import MAX_INTEGER
from server.core.errors import ProfileError, ReleaseError
from server.core.floor import Floor, decode_floor, encode_floor
from server.core.names import is_codename
from server.core.release import decode_release

Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]


class Reset(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest reset of a role: its number, and for a model the values that hold from then on.

    `counter` is the highest one that still counts, `time` in epoch seconds the newest time; both
    are None for `tables` and `content`.
    """

    number: Number
    counter: Integer | None = None
    time: Integer | None = None


def decode_resets(root: Root) -> dict[str, Reset]:
    """Read the `resets` of root's `custom` by role; ProfileError where they are malformed."""
    custom = root.unrecognized_fields.get("custom")
    stated = custom.get("resets", {}) if isinstance(custom, dict) else {}
    try:
        resets = msgspec.convert(stated, dict[str, Reset])
    except msgspec.ValidationError as error:
        raise ProfileError(f"root's `resets` are malformed: {error}.") from error
    for name, reset in resets.items():
        # Phones refuse a member that is null, too.
        given = {"counter", "time"} & stated[name].keys()
        values = [value is not None for value in (reset.counter, reset.time)]
        if not (is_codename(name) and all(values)) and not (name in CONTENT_ROLES and not given):
            raise ProfileError(
                f"root resets {name[:64]!r}: a model's reset has `counter` and `time`, one of"
                " tables or content has neither, and no other role has resets."
            )
    return resets


def reset_number(role: Targets) -> int:
    """Return the number of the reset that a role follows, 0 for none; raises ProfileError."""
    custom = role.unrecognized_fields.get("custom")
    number = custom.get("reset", 0) if isinstance(custom, dict) else 0
    if type(number) is not int or not 0 <= number <= MAX_INTEGER:
        raise ProfileError(f"a role follows reset {str(number)[:32]!r}, which is no number.")
    return number


def check_resets_follow(old: Root, new: Root) -> None:
    """Raise ProfileError unless the resets of `new` continue those of `old`.

    A role's number stays, with the same values, or grows by one.
    """
    before, after = decode_resets(old), decode_resets(new)
    for name in sorted(before.keys() | after.keys()):
        was = before.get(name)
        number = was.number if was else 0
        reset = after.get(name)
        if reset != was and (reset is None or reset.number != number + 1):
            raise ProfileError(
                f"root {new.version} has another reset of {name} than root {old.version}: keep"
                f" reset {number}, or add reset {number + 1}."
            )


def check_follows_reset(name: str, role: Targets, root: Root) -> None:
    """Raise ReleaseError unless a delegated role follows the newest reset that root has for it."""
    reset = decode_resets(root).get(name)
    number = 0 if reset is None else reset.number
    if reset_number(role) != number:
        raise ReleaseError(
            f"{name} {role.version} follows reset {reset_number(role)}, and root {root.version} has"
            f" reset {number} of it: submit both together (`hening-signer ceremony reset`)."
        )


def apply_reset(name: str, role: Targets, resets: Mapping[str, Reset]) -> Targets:
    """Return what a role's next version has to follow: `role`, as far as its reset leaves it.

    Of a model builds above the reset's counter, or later than its time, are gone as if they had
    never been listed, and the floor falls to it. Of `tables` and `content` nothing is left. A role
    that follows the reset already is returned as it is.
    """
    reset = resets.get(name)
    if reset is None or reset_number(role) == reset.number:
        return role
    if reset.counter is None or reset.time is None:
        fields: dict[str, object] = {
            "custom": {"hosts": [], "packs": {}, "reset": reset.number, "schema": 1}
        }
        return Targets(version=role.version, expires=role.expires, unrecognized_fields=fields)
    left = {}
    for path, target in role.targets.items():
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        if release.counter <= reset.counter and release.post_timestamp <= reset.time:
            left[path] = target
    counter = min(decode_floor(role).counter, reset.counter + 1)
    follower = Targets(
        version=role.version,
        expires=role.expires,
        targets=left,
        unrecognized_fields=role.unrecognized_fields,
    )
    floor = encode_floor(follower, Floor(schema=1, counter=counter, time=reset.time))
    members = {**floor["custom"], "reset": reset.number}
    ordered = {member: members[member] for member in sorted(members)}
    follower.unrecognized_fields = {**floor, "custom": ordered}
    return follower
