"""Errors as problem documents (RFC 9457): one sentence and a stable type, never a stack trace.

Types are `urn:hening:problem:NAME`; docs/reference/api.md has the complete list of names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from server.core.errors import FormatError, HeningError
from server.release.auth.principal import redact
from server.release.errors import (
    AuthenticationError,
    ConflictError,
    NeedsSignatureError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    QuotaError,
    RateError,
    TooLargeError,
)
from server.release.uploads.limits import OffsetError, UploadChecksumError, UploadStalledError
from server.storage.errors import StorageError

MEDIA_TYPE = "application/problem+json"
URN = "urn:hening:problem:"
STATUSES: tuple[tuple[type[HeningError], int, str], ...] = (
    (AuthenticationError, 401, "unauthenticated"),
    (PermissionDeniedError, 403, "forbidden"),
    (NotFoundError, 404, "not-found"),
    (NeedsSignatureError, 409, "needs-signature"),
    (ConflictError, 409, "conflict"),
    (PreconditionError, 412, "changed-meanwhile"),
    (TooLargeError, 413, "too-large"),
    (RateError, 429, "too-many-requests"),
    (QuotaError, 507, "no-room"),
    (UploadStalledError, 408, "too-slow"),
    (UploadChecksumError, 460, "checksum-mismatch"),
    (StorageError, 503, "unavailable"),
    (FormatError, 400, "malformed"),
    (HeningError, 422, "refused"),
)
"""Statuses and type names by error class; the first class that matches counts."""
RETRY_SECONDS = 5  # the Retry-After of an external failure: a restart takes about that long


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The error, and what to do about it."""

    type: str
    """A stable name, `urn:hening:problem:NAME`."""
    title: str
    status: int
    detail: str
    """One sentence for people."""
    incident: str | msgspec.UnsetType = msgspec.UNSET
    """The id by which the operator finds the error in the server's log."""
    proposal: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """With `needs-signature`: the input for the signer's ceremony."""


class ProblemError(HeningError):
    """An error of the API itself, with status, type name and headers."""

    def __init__(
        self, status: int, name: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem and its headers."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The document."""
        return msgspec.json.encode(self.problem)


def describe(error: Exception, incident: str) -> Refusal:
    """Return the answer to an error; it includes `incident` if the server has failed."""
    if isinstance(error, ProblemError):
        return Refusal(_problem(error.status, error.name, str(error)), error.headers)
    if isinstance(error, HeningError):
        status, name = next((s, n) for kind, s, n in STATUSES if isinstance(error, kind))
        problem = _problem(status, name, str(error))
        if isinstance(error, NeedsSignatureError):
            problem = msgspec.structs.replace(problem, proposal=dict(error.proposal))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            problem = msgspec.structs.replace(problem, incident=incident)
        return Refusal(problem, _headers(error, status))
    if is_environment_failure(error):
        sentence = "The server's disk or database does not answer now: try again."
        problem = _problem(503, "unavailable", sentence)
        headers = {"Retry-After": str(RETRY_SECONDS)}
    else:
        sentence = "The server failed: give its operator the incident, which is in the log."
        problem = _problem(500, "failure", sentence)
        headers = {}
    return Refusal(msgspec.structs.replace(problem, incident=incident), headers)


def phrase(status: int) -> str:
    """Return the reason phrase of a status, including 460 of tus."""
    return "Checksum Mismatch" if status == 460 else HTTPStatus(status).phrase


def is_environment_failure(error: Exception) -> bool:
    """Answer whether the disk, the network or the database failed, rather than the code."""
    return isinstance(error, OSError | OperationalError | InterfaceError | PoolTimeoutError)


def _headers(error: HeningError, status: int) -> dict[str, str]:
    if isinstance(error, OffsetError):
        return {"Upload-Offset": str(error.offset)}
    if isinstance(error, RateError):
        return {"Retry-After": str(error.retry_after)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="hening"'}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_SECONDS)}
    return {}


def _problem(status: int, name: str, detail: str) -> Problem:
    # A sentence that begins with a name keeps the name unchanged.
    is_word = detail.partition(" ")[0].isalpha()
    sentence = redact(detail[:1].upper() + detail[1:] if is_word else detail)
    return Problem(URN + name, phrase(status), status, sentence)
