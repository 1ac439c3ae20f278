"""Who is asking: a name and its rights, as a token or the command line gives them."""

from collections.abc import Iterable
from dataclasses import dataclass

from server.release.errors import PermissionDeniedError
from server.release.people.permissions import (
    ROLE_PERMISSIONS,
    ROLE_SCOPES,
    WHOLE_PERMISSIONS,
    Permission,
    Role,
)

EVERY_CODENAME = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with rights. `codenames` are codenames, `content`, `tables`, or `*` for all.

    `permissions` is what the role holds, narrowed by the token. `token` is the token's public id,
    empty for the command line. `expires_at` (epoch seconds) is when the token ends, None for what
    is none: a login, the command line.
    """

    name: str
    role: Role
    permissions: frozenset[Permission]
    codenames: tuple[str, ...]
    token: str = ""
    expires_at: int | None = None

    @property
    def actor(self) -> str:
        """The name under which the trail records what this principal does."""
        return f"{self.name}/{self.token}" if self.token else self.name

    def is_allowed(self, permission: Permission, codename: str = "") -> bool:
        """Answer whether `permission` is held, for `codename` where one is given.

        What tells of every model, the trail and webhooks, is held with all codenames or not at all.
        In place of a codename goes the signed role that a submission changes: `content`, `tables`,
        `targets`, `root`. The last two belong to nobody's codenames, so they want `*`.
        """
        if permission not in self.permissions:
            return False
        if permission in WHOLE_PERMISSIONS and EVERY_CODENAME not in self.codenames:
            return False
        if not codename:
            return True
        scope = ROLE_SCOPES.get((self.role, permission))
        if scope is not None and codename not in scope:
            return False
        return EVERY_CODENAME in self.codenames or codename in self.codenames

    def check(self, permission: Permission, codename: str = "") -> None:
        """Raise PermissionDeniedError unless `permission` is held, for `codename` if given."""
        if not self.is_allowed(permission, codename):
            what = f"{permission} for {codename[:32]}" if codename else str(permission)
            if permission in WHOLE_PERMISSIONS:
                what += ", which wants all codenames"
            raise PermissionDeniedError(
                f"the account {self.name} is not allowed to {what}: ask an admin for the right."
            )

    def covers(self, codenames: Iterable[str]) -> bool:
        """Answer whether all of an account's `codenames` are among these."""
        return EVERY_CODENAME in self.codenames or set(codenames) <= set(self.codenames)


def command_line_principal(user: str) -> Principal:
    """Return the principal of a command that `user` runs on the server: every right.

    The name has a colon, which no account's name has.
    """
    return Principal(f"cli:{user}", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], (EVERY_CODENAME,))
