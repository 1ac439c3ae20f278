"""Who is asking: a name and its rights, as a token or the command line gives them."""

from dataclasses import dataclass

from server.release.errors import PermissionDeniedError
from server.release.people.permissions import ROLE_PERMISSIONS, ROLE_SCOPES, Permission, Role

EVERY_CODENAME = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with rights. `codenames` are codenames, `content`, `tables`, or `*` for all.

    `permissions` is what the role holds, narrowed by the token. `token` is the token's public id,
    empty for the command line.
    """

    name: str
    role: Role
    permissions: frozenset[Permission]
    codenames: tuple[str, ...]
    token: str = ""

    @property
    def actor(self) -> str:
        """The name under which the trail records what this principal does."""
        return f"{self.name}/{self.token}" if self.token else self.name

    def is_allowed(self, permission: Permission, codename: str = "") -> bool:
        """Answer whether `permission` is held, for `codename` where one is given.

        In place of a codename goes the signed role that a submission changes: `content`, `tables`,
        `targets`, `root`. The last two belong to nobody's codenames, so they want `*`.
        """
        if permission not in self.permissions:
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
            raise PermissionDeniedError(
                f"the account {self.name} is not allowed to {what}: ask an admin for the right."
            )


def command_line_principal(user: str) -> Principal:
    """Return the principal of a command that `user` runs on the server: every right.

    The name has a colon, which no account's name has.
    """
    return Principal(f"cli:{user}", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], (EVERY_CODENAME,))


def check_second_person(principal: Principal, proposer: str) -> None:
    """Raise PermissionDeniedError unless `principal` may approve what `proposer` proposed.

    Nobody approves their own change, admins included, and not with another token either.
    """
    principal.check(Permission.APPROVE)
    if principal.name == proposer:
        raise PermissionDeniedError(
            f"{principal.name} proposed this change: somebody else has to approve it."
        )
