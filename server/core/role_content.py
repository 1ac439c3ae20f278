"""What a delegated role may list, and what it may change from one version to the next.

Source: docs/FORMATS.md sections 2, 3 and 15. Signer and server ask the same question here, so that
what is signed is not refused later.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tuf.api.metadata import Targets

from server.core.content.index import check_index_succession, decode_index
from server.core.content.kinds import CONTENT_ROLES
from server.core.errors import FormatError, ReleaseError
from server.core.names import is_codename
from server.core.profile import check_delegated
from server.core.release import decode_releases
from server.core.resets import Reset, apply_reset, reset_number
from server.core.succession import check_succession

NO_RESETS: Mapping[str, Reset] = MappingProxyType({})


def check_role_content(
    name: str,
    before: Targets | None,
    after: Targets,
    resets: Mapping[str, Reset] = NO_RESETS,
) -> None:
    """Raise an error of the core unless the role `name` may follow `before` with `after`.

    `before` is None for the first version. `resets` are those of the root that both are under.
    """
    check_role_alone(name, after)
    if before is not None and reset_number(after) != reset_number(before):
        before = apply_reset(name, before, resets)
        if reset_number(after) != reset_number(before):
            raise ReleaseError(
                f"{name} {after.version} follows reset {reset_number(after)}, which root does not"
                " have."
            )
    if name in CONTENT_ROLES:
        check_index_succession(name, before, after)
    elif before is not None and is_codename(name):
        check_succession(before, after)


def check_role_alone(name: str, role: Targets) -> None:
    """Raise an error of the core for what no version of the role `name` may list.

    This is what can be asked of a version where the one before it is not at hand.
    """
    check_delegated(name, role)
    if name in CONTENT_ROLES:
        decode_index(name, role)
    elif is_codename(name):
        decode_releases(role)
    else:
        for path in role.targets:
            raise FormatError(f"{name} lists {path[:80]!r}, and what it lists is for the server.")
