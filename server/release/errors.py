"""Errors of the control plane, each with the HTTP status of its API.

    HeningError
    ├── AuthenticationError    401  the request has no valid token
    ├── NotFoundError          404  the object does not exist, or the caller may not see it
    ├── ConflictError          409  the request contradicts the present state
    │   └── NeedsSignatureError     the change needs a signature with offline keys
    ├── PermissionDeniedError  403  this account, token or role may not do this
    ├── PreconditionError      412  the state that the request names has changed
    ├── TooLargeError          413  more bytes than allowed
    ├── RateError              429  too many requests, or too many at the same time
    ├── QuotaError             507  a quota is used up, or the disk is full
    └── AuditLogError          422  the audit log is not what was recorded

The status of any other HeningError is 422, of a FormatError 400, of a StorageError 503.
"""

import enum
from collections.abc import Mapping
from typing import Any

from server.core.errors import HeningError


class AuthenticationError(HeningError):
    """The request has no valid token; the message does not say what is wrong with it."""


class NotFoundError(HeningError):
    """The object does not exist, or the caller may not see it."""


class ConflictError(HeningError):
    """The request contradicts the present state."""


class NeedsSignatureError(ConflictError):
    """The change needs a signature with offline keys; `proposal` is the input of the signers."""

    def __init__(self, message: str, proposal: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.proposal = proposal


class PermissionDeniedError(HeningError):
    """This account, token or role may not do this."""


class PreconditionError(HeningError):
    """The state that the request names has changed meanwhile."""


class TooLargeError(HeningError):
    """More bytes than allowed."""


class Share(enum.StrEnum):
    """The limited resources of a token, of an account or of all clients; a label of the metrics."""

    CHANGES = "changes"
    CONNECTIONS = "connections"
    GUESSES = "guesses"
    IDEMPOTENCY_KEYS = "idempotency_keys"
    LOOKUPS = "lookups"
    REFUSALS = "refusals"
    REQUESTS = "requests"
    REWORDINGS = "rewordings"
    SIGN_INS = "sign_ins"
    UPLOADS = "uploads"


class RateError(HeningError):
    """Too many requests, or too many at the same time; retry after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1, share: Share = Share.REQUESTS) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.share = share


class QuotaError(HeningError):
    """A quota is used up, or the disk is full."""


class AuditLogError(HeningError):
    """The audit log was altered: an entry, or its end, is not what was recorded."""
