"""What a public plane passes to the connection engine: its answers, limits and counts."""

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
    """Whole requests, byte for byte, and their answers."""

    def get(self, data: bytes, /) -> Hit | None:
        """Return the answer to one request; None where it is not among them."""


class Exact(Protocol):
    """What a plane serves now; it is replaced in one assignment."""

    @property
    def exact(self) -> Requests:
        """What is found by the bytes of a request alone."""


class Plane(ABC):
    """A public plane. `served` has what is found by the bytes of a request alone.

    `clock` returns epoch seconds.
    """

    served: Exact

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
        """Return the answer to a whole head, where the fast path has it."""

    def recall(self, data: bytes) -> Hit | None:  # noqa: ARG002 - a plane may know nothing
        """Return the answer to one request as `plan` found it before; None for most requests."""
        return None

    @abstractmethod
    def is_for_package(self, head: bytes) -> bool:
        """Answer whether a head asks for a package, whichever server answers it."""

    @abstractmethod
    def is_spelled(self, head: bytes) -> bool:
        """Answer whether a whole head is spelled as this plane demands."""

    @abstractmethod
    def choose(self, request: web.BaseRequest, *, is_spelled: bool) -> Answer:
        """Return the answer to a request that fell back to aiohttp.

        `is_spelled` says whether `is_spelled` was true of its bytes.
        """

    @abstractmethod
    def tick(self) -> None:
        """Follow the clock; called twice a second."""

    async def handle(self, request: web.BaseRequest, *, is_spelled: bool) -> web.StreamResponse:
        """Answer one request of aiohttp's."""
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
        """Count a request that no parser understands and return its answer."""
        answer = self.refuse(Reason.MALFORMED)
        self.counts.answers[answer.status] += 1
        return self.to_response(answer)

    def to_response(self, answer: Answer) -> web.Response:
        """Return aiohttp's form of an answer that is in memory."""
        headers = {"Date": self._date(), **answer.headers}
        response = web.Response(status=answer.status, headers=headers, body=answer.body)
        if answer.close:
            response.force_close()
        return response

    def _date(self) -> str:
        return formatdate(self.clock(), usegmt=True)
