"""What a delegated role may list, and what it may change from one version to the next.

Source: docs/FORMATS.md sections 2, 3 and 5. Signer and server ask the same question here, so that
what is signed is not refused later.
"""

import re

from tuf.api.metadata import Targets

from server.core.errors import FormatError
from server.core.names import check_file_name, is_codename
from server.core.profile import check_delegated
from server.core.release import decode_releases
from server.core.schema import check_schema
from server.core.succession import check_succession

_KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")


def check_role_content(name: str, before: Targets | None, after: Targets) -> None:
    """Raise an error of the core unless the role `name` may follow `before` with `after`.

    `before` is None for the first version.
    """
    check_delegated(name, after)
    if not is_codename(name):
        for path, target in after.targets.items():
            _check_common_path(path)
            check_schema(path, target.unrecognized_fields.get("custom"), "schema")
        return
    if before is None:
        decode_releases(after)
    else:
        check_succession(before, after)


def _check_common_path(path: str) -> None:
    _, _, rest = path.partition("/")
    kind, _, file = rest.partition("/")
    if _KIND.fullmatch(kind) is None:
        raise FormatError(f"{path[:80]!r} is not of the form ROLE/KIND/FILE.")
    check_file_name(file)
