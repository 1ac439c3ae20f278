"""The device plane: gate, then answer, then octets.

No router and no access log; packages are read in small pieces, so that they do not starve polls.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from server.device.answer import Answer, failure, plan_answer, refusal
from server.device.gate import GateMode, Reason, Refused, check_request, is_block
from server.device.role_files import Package
from server.device.snapshot import Snapshot
from server.storage.blobs import BlobReader

STATUSES = (
    HTTPStatus.OK,
    HTTPStatus.PARTIAL_CONTENT,
    HTTPStatus.NOT_MODIFIED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
STALL_SECONDS = 60.0  # how long a client may take nothing of a package before it is cut off


class Metrics:
    """Counters of the device plane; no label comes from a request."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answers = Counter("hening_answers", "Answers", ["status"], registry=registry)
        self.refusals = Counter("hening_refusals", "Refusals", ["reason"], registry=registry)
        self.unknown = Counter(
            "hening_unknown_headers", "Requests with unknown headers", registry=registry
        )
        # Every label exists from the start: a counter made by the first request of its kind would
        # carry that request's time in its `_created` sample.
        for status in STATUSES:
            self.answers.labels(str(status.value))
        for reason in Reason:
            self.refusals.labels(reason.value)


class DevicePlane:
    """Answers requests from the snapshot that `current` gives."""

    def __init__(
        self,
        current: Callable[[], Snapshot],
        blobs: BlobReader,
        metrics: Metrics,
        mode: GateMode,
        *,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.is_strict = mode is GateMode.STRICT
        self._current = current
        self._blobs = blobs
        self._metrics = metrics
        self._mode = mode
        self._stall_seconds = stall_seconds

    async def handle(
        self, request: web.BaseRequest, *, is_spelled: bool = True
    ) -> web.StreamResponse:
        """Answer one request; `is_spelled` tells whether its octets are a phone's."""
        try:
            unknown = check_request(
                request.method,
                request.raw_path,
                (request.version.major, request.version.minor),
                request.raw_headers,
                self._mode,
            )
        except Refused as refused:
            return to_response(self.refuse(refused.reason))
        if self.is_strict and not is_spelled:
            return to_response(self.refuse(Reason.STRICT))
        if unknown:
            self._metrics.unknown.inc()
        answer = plan_answer(self._current(), request.method, request.raw_path, request.raw_headers)
        package = answer.package
        if self.is_strict and package and not is_block(request.raw_headers[1][1], package.length):
            return to_response(self.refuse(Reason.STRICT))
        self._metrics.answers.labels(str(answer.status.value)).inc()
        if package is None or package.length == 0:
            return to_response(answer)
        return await self._send_package(request, answer, package)

    def refuse(self, reason: Reason) -> Answer:
        """Count a refusal and return its answer."""
        answer = refusal(reason)
        self._metrics.refusals.labels(reason.value).inc()
        self._metrics.answers.labels(str(answer.status.value)).inc()
        return answer

    def fail(self) -> Answer:
        """Count a failure of this server and return its answer."""
        answer = failure()
        self._metrics.answers.labels(str(answer.status.value)).inc()
        return answer

    async def _send_package(
        self, request: web.BaseRequest, answer: Answer, package: Package
    ) -> web.StreamResponse:
        first = 0 if answer.part is None else answer.part.first
        left = package.length if answer.part is None else answer.part.length
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = left
        async with self._blobs.open_range(package.sha256, first, left) as pieces:
            await response.prepare(request)
            if request.method == "HEAD":
                await response.write_eof()
                return response
            async for piece in pieces:
                try:
                    async with asyncio.timeout(self._stall_seconds):
                        await response.write(piece)
                except TimeoutError as error:
                    # Closing would wait for ever to hand over what is not taken.
                    if request.transport is not None:
                        request.transport.abort()
                    raise ConnectionError("a client stopped reading") from error
        await response.write_eof()
        return response


def to_response(answer: Answer) -> web.Response:
    """Return aiohttp's form of an answer that is in memory."""
    response = web.Response(status=answer.status, headers=answer.headers, body=answer.body)
    if answer.close:
        response.force_close()
    return response
