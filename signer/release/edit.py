"""The last stretch of every edit of a codename role, with the signer's refusals."""

from collections.abc import Mapping
from datetime import datetime

from tuf.api.metadata import TargetFile, Targets

from server.core import role_edit
from server.core.floor import Floor
from server.core.role_edit import is_unchanged, make_target
from signer.errors import ReleaseRefusal, refusing

__all__ = ["is_unchanged", "make_target", "next_role"]


def next_role(
    codename: str,
    current: Targets,
    targets: Mapping[str, TargetFile],
    expires: datetime,
    floor: Floor | None = None,
) -> Targets:
    """Return what `server.core.role_edit.next_role` does; raises ReleaseRefusal."""
    with refusing(ReleaseRefusal):
        return role_edit.next_role(codename, current, targets, expires, floor)
