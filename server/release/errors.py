"""What the control plane refuses, each with the HTTP status that its API answers.

    HeningError
    ├── AuthenticationError    401  there is no valid token
    ├── NotFoundError          404  what is asked for is not there, or not for the one who asks
    ├── ConflictError          409  what is asked for contradicts what is there
    │   └── NeedsSignatureError     only the holders of offline keys can do this
    ├── PermissionDeniedError  403  this account, token or role may not do this
    ├── PreconditionError      412  what the request was made for has changed meanwhile
    ├── TooLargeError          413  more bytes than are taken
    ├── RateError              429  too often, or too much at once
    ├── QuotaError             507  no room: a quota or the disk is used up
    └── AuditLogError          422  the audit log of changes is not what was recorded

Every other HeningError is answered by 422, a FormatError by 400, a StorageError by 503.
"""

import enum
from collections.abc import Mapping
from typing import Any

from server.core.errors import HeningError


class AuthenticationError(HeningError):
    """There is no valid token; the sentence is the same, whatever is wrong with it."""


class NotFoundError(HeningError):
    """What is asked for is not there, or not for the one who asks."""


class ConflictError(HeningError):
    """What is asked for contradicts what is there."""


class NeedsSignatureError(ConflictError):
    """Only the holders of offline keys can do this; `proposal` is what they are given."""

    def __init__(self, message: str, proposal: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.proposal = proposal


class PermissionDeniedError(HeningError):
    """This account, token or role may not do this."""


class PreconditionError(HeningError):
    """What the request was made for has changed meanwhile."""


class TooLargeError(HeningError):
    """More bytes than are taken."""


class Share(enum.StrEnum):
    """What each token and account has a share of, or all clients; a label of the metrics."""

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
    """Too often, or too much at once; `retry_after` seconds later there is room again."""

    def __init__(self, message: str, retry_after: int = 1, share: Share = Share.REQUESTS) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.share = share


class QuotaError(HeningError):
    """No room: a quota or the disk is used up."""


class AuditLogError(HeningError):
    """The audit log of changes is not what was recorded."""
