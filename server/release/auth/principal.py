"""The caller of an operation with its rights, and how it identifies itself: by token or user name.

Source of the tokens' text form: docs/FORMATS.md section 12.
"""

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, unquote

from server.release.errors import PermissionDeniedError

OPERATOR = "Hening-Operator"
"""The request header with the name of the user who runs a command."""
NAME_LIMIT = 64  # characters of a user's name
MAX_TOKEN_DAYS = 366
"""The longest lifetime of a token: one that is not renewed for a year was probably forgotten."""
TOKEN = re.compile(r"(hening_([0-9a-f]{12})_([0-9a-f]{64}))([0-9a-f]{8})")
_PART = re.compile(r"hening_[0-9a-f]{12}_[0-9a-f]*")


class Permission(enum.StrEnum):
    """A permission of a role or a token."""

    READ = "read"
    """See releases, channels, rollouts and submissions."""
    UPLOAD = "upload"
    """Upload blobs."""
    SUBMIT = "submit"
    """Submit signed metadata."""
    ROLLOUT = "rollout"
    """Offer, schedule, pause and resume."""
    HALT = "halt"
    """Halt a rollout."""
    APPROVE = "approve"
    """Approve what another account proposed."""
    PEOPLE = "people"
    """Manage accounts and tokens."""
    AUDIT = "audit"
    """Read the audit log."""
    WEBHOOKS = "webhooks"
    """Manage webhooks."""


class Role(enum.StrEnum):
    """The role of an account; a token can narrow its permissions, but never widen them."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ENGINEER = "engineer"
    APPROVER = "approver"
    ADMIN = "admin"


_P = Permission
ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({_P.READ}),
        Role.EDITOR: frozenset({_P.READ, _P.UPLOAD, _P.SUBMIT}),
        Role.ENGINEER: frozenset({_P.READ, _P.UPLOAD, _P.SUBMIT, _P.ROLLOUT, _P.HALT}),
        Role.APPROVER: frozenset({_P.READ, _P.APPROVE, _P.HALT, _P.AUDIT}),
        Role.ADMIN: frozenset(_P),
    }
)

CONTENT_ROLES = frozenset({"content", "tables"})
"""The signed roles without firmware; an account's codenames may list them by name."""

WHOLE_PERMISSIONS = frozenset({_P.AUDIT, _P.WEBHOOKS})
"""Permissions that concern every model: only accounts with all codenames have them."""

ROLE_SCOPES: Mapping[tuple[Role, Permission], frozenset[str]] = MappingProxyType(
    {(Role.EDITOR, _P.SUBMIT): CONTENT_ROLES}
)
"""Permissions that a role holds for some signed roles only, whatever the account's codenames."""

STOPPING = frozenset({Permission.HALT, Permission.ROLLOUT, Permission.APPROVE})
"""A caller with any of these permissions may halt, pause or cancel something."""


EVERY_CODENAME = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller with rights. `codenames` are codenames, `content`, `tables`, or `*` for all.

    `permissions` are those of the role, narrowed by the token. `token` is the public id of the
    token or session, `login` for a login, and empty for the command line. `expires_at` is when the
    token expires, in epoch seconds; None without a token.
    """

    name: str
    role: Role
    permissions: frozenset[Permission]
    codenames: tuple[str, ...]
    token: str = ""
    expires_at: int | None = None

    @property
    def actor(self) -> str:
        """The name of this principal in the audit log."""
        return f"{self.name}/{self.token}" if self.token else self.name

    def is_allowed(self, permission: Permission, codename: str = "") -> bool:
        """Answer whether the caller has `permission`, for `codename` if given.

        WHOLE_PERMISSIONS need all codenames. For a submission, `codename` is the signed role that
        it changes, also `content`, `tables`, `targets` or `root`. No account lists the last two
        among its codenames, so they need `*`.
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
        """Raise PermissionDeniedError unless `is_allowed`."""
        if not self.is_allowed(permission, codename):
            action = f"{permission} for {codename[:32]}" if codename else str(permission)
            if permission in WHOLE_PERMISSIONS:
                action += ", which needs all codenames"
            raise PermissionDeniedError(
                f"the account {self.name} is not allowed to {action}: ask an admin for the right."
            )

    def covers(self, codenames: Iterable[str]) -> bool:
        """Answer whether this caller has all of `codenames`."""
        return EVERY_CODENAME in self.codenames or set(codenames) <= set(self.codenames)


def command_line_principal(user: str) -> Principal:
    """Return the principal of a command that `user` runs on the server; it has all rights.

    Its name has a colon, which account names cannot have.
    """
    return Principal(f"cli:{user}", Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN], (EVERY_CODENAME,))


def encode_operator(name: str) -> str:
    """Return a user's name percent-encoded for the header: names may have any letter."""
    return quote(name, safe="", errors="backslashreplace")


def decode_operator(text: str) -> str:
    """Return the user's name in a header, or an empty text if it is invalid."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= NAME_LIMIT and name.isprintable() and text.isascii() else ""


def token_checksum(text: str) -> str:
    """Return the checksum at the end of a token: eight hex digits, from the text before it."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_token(text: str) -> bool:
    """Answer whether `text` has the form and checksum of a token; it may be unknown or revoked."""
    match = TOKEN.fullmatch(text)
    return match is not None and token_checksum(match[1]) == match[4]


def holds_token(text: str) -> bool:
    """Answer whether `text` contains a token."""
    return any(is_token(match[0]) for match in TOKEN.finditer(text))


def redact(text: str) -> str:
    """Return `text` without the secrets of the tokens in it, cut-off tokens included."""
    return _PART.sub("hening_…", text)
