"""The interface of a public plane to the connection engine: answers, limits and counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

from aiohttp import web

from server.http.answers import Answer, Hit, failure, refusal
from server.http.counts import Counts
from server.http.downloads import Downloads
from server.http.heads import Planned, PlannedFile
from server.http.requests import Reason
from server.http.turns import LIMITS, Limits
from server.storage.blobs import BlobReader


class Requests(Protocol):
    """Answers by the exact bytes of whole requests."""

    def get(self, data: bytes, /) -> Hit | None:
        """Return the answer to one whole request; None if it is unknown."""


class PlaneContent(Protocol):
    """The current content of a plane; it is replaced in one assignment."""

    @property
    def exact(self) -> Requests:
        """The answers that are found by a request's exact bytes."""


class Plane(ABC):
    """A public plane; `served` has the answers that are found by a request's exact bytes.

    `clock` returns epoch seconds.
    """

    served: PlaneContent

    def __init__(
        self,
        blobs: BlobReader,
        counts: Counts,
        clock: Callable[[], float],
        limits: Limits = LIMITS,
        *,
        counts_packages: bool = False,
    ) -> None:
        self.counts = counts
        self.clock = clock
        self.limits = limits
        self.downloads = Downloads(
            blobs, counts, limits, self._date, counts_packages=counts_packages
        )

    @abstractmethod
    def plan(self, head: bytes) -> Planned | PlannedFile | None:
        """Return the answer to a whole head, or None for the fallback to aiohttp."""

    def recall(self, data: bytes) -> Hit | None:  # noqa: ARG002 - a plane may cache nothing
        """Return the cached answer of `plan` to one request; None if there is none."""
        return None

    @abstractmethod
    def is_for_package(self, head: bytes) -> bool:
        """Return whether a head requests a package, whether or not the fast path answers it."""

    @abstractmethod
    def is_spelled(self, head: bytes) -> bool:
        """Return whether a whole head is spelled as this plane requires."""

    @abstractmethod
    def choose(self, request: web.BaseRequest, *, is_spelled: bool) -> Answer:
        """Return the answer to a request that fell back to aiohttp.

        The argument `is_spelled` is the result of the method for the request's bytes.
        """

    @abstractmethod
    def tick(self) -> None:
        """Update answers that depend on the time; called twice a second."""

    async def handle(self, request: web.BaseRequest, *, is_spelled: bool) -> web.StreamResponse:
        """Answer a request that fell back to aiohttp."""
        answer = self.choose(request, is_spelled=is_spelled)
        package = answer.package
        if package is not None and package.length:
            return await self.downloads.send(request, answer, package)
        self.counts.answers[answer.status] += 1
        return self.to_response(answer)

    def refuse(self, reason: Reason) -> Answer:
        """Count a refusal's reason and return its answer."""
        self.counts.refusals[reason] += 1
        return refusal(reason)

    def fail(self) -> web.Response:
        """Count a failure of this server and return its answer."""
        answer = failure()
        self.counts.answers[answer.status] += 1
        return self.to_response(answer)

    def refuse_malformed(self) -> web.Response:
        """Count a malformed request and return its answer."""
        answer = self.refuse(Reason.MALFORMED)
        self.counts.answers[answer.status] += 1
        return self.to_response(answer)

    def to_response(self, answer: Answer) -> web.Response:
        """Return an answer with a body in memory as aiohttp's response."""
        headers = {"Date": self._date(), **answer.headers}
        response = web.Response(status=answer.status, headers=headers, body=answer.body)
        if answer.close:
            response.force_close()
        return response

    def _date(self) -> str:
        return formatdate(self.clock(), usegmt=True)
