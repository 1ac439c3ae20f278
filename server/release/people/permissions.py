"""Roles, permissions, and which role holds which: the table of docs/OPERATIONS.md as data."""

import enum
from collections.abc import Mapping
from types import MappingProxyType


class Permission(enum.StrEnum):
    """One thing that may be allowed."""

    READ = "read"
    """See releases, channels, rollouts and submissions."""
    UPLOAD = "upload"
    """Send blobs."""
    SUBMIT = "submit"
    """Hand in signed metadata."""
    ROLLOUT = "rollout"
    """Offer, schedule, pause and resume."""
    HALT = "halt"
    """Halt a rollout."""
    APPROVE = "approve"
    """Approve what another person proposed."""
    PEOPLE = "people"
    """Manage accounts and tokens."""
    AUDIT = "audit"
    """Read the trail."""
    WEBHOOKS = "webhooks"
    """Manage webhooks."""


class Role(enum.StrEnum):
    """What somebody is in the team; a token can narrow it and never widen it."""

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
"""What tells of every model: it counts for accounts with all codenames alone."""

ROLE_SCOPES: Mapping[tuple[Role, Permission], frozenset[str]] = MappingProxyType(
    {(Role.EDITOR, _P.SUBMIT): CONTENT_ROLES}
)
"""Where a role holds a permission for some signed roles only, whatever the account's codenames."""

STOPPING = frozenset({Permission.HALT, Permission.ROLLOUT, Permission.APPROVE})
"""Who has one of these may stop something."""
