"""A codename role's record of the builds that left it: its own `custom` object.

Source: docs/FORMATS.md section 3. Builds leave a role, so that it stays small; the floor prevents
them from coming back.
"""

from typing import Annotated, Any, Literal

import msgspec
from tuf.api.metadata import Targets

from server.core.encodings import MAX_INTEGER
from server.core.errors import FormatError

Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class Floor(msgspec.Struct, frozen=True):
    """No listed counter is below `counter`; no new build is as old as `time`.

    `time` is the largest post-timestamp of a build that left, in epoch seconds. Both are 0 while
    none has left.
    """

    schema: Literal[1]
    counter: Integer = msgspec.field(name="floor")
    time: Integer = msgspec.field(name="floor_time", default=0)


NO_FLOOR = Floor(schema=1, counter=0)


def decode_floor(targets: Targets) -> Floor:
    """Read the floor of a codename role; a role without a `custom` object has none.

    Raises FormatError for an unknown schema and for malformed members; unknown members are ignored.
    """
    if "custom" not in targets.unrecognized_fields:
        return NO_FLOOR
    custom = targets.unrecognized_fields["custom"]
    schema = custom.get("schema") if isinstance(custom, dict) else None
    if type(schema) is not int or schema != 1:
        raise FormatError(
            f"the role's `custom` has schema {str(schema)[:32]!r}; this version knows schema 1"
            " only."
        )
    try:
        return msgspec.convert(custom, Floor)
    except msgspec.ValidationError as error:
        raise FormatError(f"the role's `custom` is malformed: {error}.") from error


def encode_floor(targets: Targets, floor: Floor) -> dict[str, Any]:
    """Return the role's unrecognized fields with `floor` in them, unknown members kept."""
    custom = targets.unrecognized_fields.get("custom", {})
    members = {**custom, **msgspec.to_builtins(floor)}
    ordered = {name: members[name] for name in sorted(members)}
    return {**targets.unrecognized_fields, "custom": ordered}
