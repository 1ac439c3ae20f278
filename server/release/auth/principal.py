"""The caller of an operation: a name, its rights, and what it sends: a token, or its user's name.

The text form of tokens is that of docs/FORMATS.md section 12.
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
"""The header in which a command names its user."""
NAME_LIMIT = 64  # characters of a user's name
MAX_TOKEN_DAYS = 366
"""A token that is not renewed for a year has probably been forgotten."""
TOKEN = re.compile(r"(hening_([0-9a-f]{12})_([0-9a-f]{64}))([0-9a-f]{8})")
_PART = re.compile(r"hening_[0-9a-f]{12}_[0-9a-f]*")


class Permission(enum.StrEnum):
    """One permission."""

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
    """The role of an account; a token can narrow it and never widen it."""

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
"""The signed roles that hold no firmware; an account's codenames may list them by name."""

WHOLE_PERMISSIONS = frozenset({_P.AUDIT, _P.WEBHOOKS})
"""Permissions that concern every model: only accounts with all codenames hold them."""

ROLE_SCOPES: Mapping[tuple[Role, Permission], frozenset[str]] = MappingProxyType(
    {(Role.EDITOR, _P.SUBMIT): CONTENT_ROLES}
)
"""Permissions that a role holds for some signed roles only, whatever the account's codenames."""

STOPPING = frozenset({Permission.HALT, Permission.ROLLOUT, Permission.APPROVE})
"""A caller with one of these may stop something."""


EVERY_CODENAME = "*"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller with rights. `codenames` are codenames, `content`, `tables`, or `*` for all.

    `permissions` are those of the role, narrowed by the token. `token` is the token's public id,
    empty for the command line. `expires_at` (epoch seconds) is when the token ends; None without a
    token: a login, the command line.
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
        """Answer whether `permission` is held, for `codename` where one is given.

        Permissions that concern every model, for the audit log and webhooks, need all codenames.
        Instead of a codename, pass the signed role that a submission changes: `content`, `tables`,
        `targets`, `root`. The last two are in no account's codenames, so they need `*`.
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
                what += ", which needs all codenames"
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


def encode_operator(name: str) -> str:
    """Return a user's name for the header: percent-encoded, as names may have any letter."""
    return quote(name, safe="", errors="backslashreplace")


def decode_operator(text: str) -> str:
    """Return the user's name in a header, empty for an invalid one."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= NAME_LIMIT and name.isprintable() and text.isascii() else ""


def token_checksum(text: str) -> str:
    """Return the eight digits at the end of a token, from the text before them."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_token(text: str) -> bool:
    """Answer whether `text` is a token by form and checksum; it may be unknown or invalid."""
    match = TOKEN.fullmatch(text)
    return match is not None and token_checksum(match[1]) == match[4]


def holds_token(text: str) -> bool:
    """Answer whether `text` contains a token."""
    return any(is_token(match[0]) for match in TOKEN.finditer(text))


def redact(text: str) -> str:
    """Return `text` without the secret of any token, or beginning of one, that it contains."""
    return _PART.sub("hening_…", text)
