"""Errors of the cloud: an HTTP status, a code for programs and a sentence for people.

HeningError
└── CloudError        a refused request; each door encodes it in its own format
    ├── ItemsError    a batch refused because of single items, each named by its uid
    └── RateError     too many requests, and when to retry
"""

from dataclasses import dataclass

from server.core.errors import HeningError


class CloudError(HeningError):
    """A refused request: an HTTP status, a stable `code`, and a sentence as the message."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class ItemRefusal:
    """Why the item `uid` is refused."""

    uid: str
    code: str
    sentence: str


class ItemsError(CloudError):
    """A refused batch: nothing was written; `refusals` lists the items at fault."""

    def __init__(self, code: str, refusals: list[ItemRefusal]) -> None:
        super().__init__(409, code, "some items have changed on the server; fetch them first.")
        self.refusals = refusals


class RateError(CloudError):
    """Too many requests; the next one is accepted after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "too_many_requests", f"too many requests; try again in {seconds} s.")
        self.seconds = seconds


def not_found(kind: str) -> CloudError:
    """Return the refusal for an object that does not exist or is not visible to this account."""
    return CloudError(404, "not_found", f"there is no such {kind}.")
