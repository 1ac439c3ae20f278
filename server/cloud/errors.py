"""What the cloud refuses: a status, a code for programs and a sentence for people.

HeningError
└── CloudError        every refusal of a request; a door encodes it in its own form
    ├── ItemsError    refusals of single items, each with its uid
    └── RateError     too many requests, and when to ask again
"""

from dataclasses import dataclass

from server.core.errors import HeningError


class CloudError(HeningError):
    """A request is refused with `status`; `code` is stable, and `str` is a sentence."""

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
    """Nothing of a batch is written, because of each of `refusals`."""

    def __init__(self, code: str, refusals: list[ItemRefusal]) -> None:
        super().__init__(409, code, "some items are not what the server has; fetch them first.")
        self.refusals = refusals


class RateError(CloudError):
    """Too many requests came; `seconds` later there is room for one."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            429, "too_many_requests", f"too many requests came; ask again in {seconds} s."
        )
        self.seconds = seconds


def not_found(what: str) -> CloudError:
    """Return the refusal of what is not there, or is not for this account to see."""
    return CloudError(404, "not_found", f"there is no such {what}.")
