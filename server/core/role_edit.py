"""The last stretch of every edit of a codename role: its next version, held against the rules.

Every edit is a pure function from the current version and an order to the next version. The signer
makes them to be signed at once or proposed, the control plane to be proposed.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.floor import Floor, encode_floor
from server.core.release_texts import check_changelogs
from server.core.role_content import check_role_content


def next_role(
    codename: str,
    current: Targets,
    targets: Mapping[str, TargetFile],
    expires: datetime,
    floor: Floor | None = None,
) -> Targets:
    """Return the version after `current` with `targets` in it, and `floor` if there is a new one.

    The targets are sorted, so that the same edit has the same octets. Raises an error of the core
    when the role may not go on so (docs/FORMATS.md sections 2 and 3).
    """
    fields = current.unrecognized_fields if floor is None else encode_floor(current, floor)
    planned = Targets(
        version=current.version + 1,
        expires=expires,
        targets={path: targets[path] for path in sorted(targets)},
        unrecognized_fields=fields,
    )
    check_role_content(codename, current, planned)
    check_changelogs(current, planned)
    return planned


def make_target(
    path: str, length: int, sha256: str, custom: Mapping[str, Any], known: TargetFile | None
) -> TargetFile:
    """Return a target with `custom`, its members sorted; what else `known` carries is kept."""
    kept = {} if known is None else known.unrecognized_fields
    ordered = {name: custom[name] for name in sorted(custom)}
    return TargetFile(length, {"sha256": sha256}, path, {**kept, "custom": ordered})


def is_unchanged(current: Targets, planned: Targets) -> bool:
    """Answer whether an edit changes nothing but version and expiry."""
    return (
        planned.targets == current.targets
        and planned.unrecognized_fields == current.unrecognized_fields
    )
