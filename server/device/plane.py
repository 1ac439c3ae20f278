"""The device plane after the fast path: gate, then answer, then bytes.

It has no router and no access log.
"""

from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web

from server.device.answer import Answer, Served, failure, plan_answer, refusal
from server.device.counts import Counts
from server.device.downloads import Downloads
from server.device.gate import GateMode, Reason, Refused, check_request, is_block
from server.device.turns import LIMITS, Limits
from server.storage.blobs import BlobReader


class DevicePlane:
    """Answers requests from `served`, which is replaced in one assignment.

    `clock` returns epoch seconds.
    """

    def __init__(
        self,
        blobs: BlobReader,
        counts: Counts,
        mode: GateMode,
        clock: Callable[[], float],
        limits: Limits = LIMITS,
    ) -> None:
        self.served = Served()
        self.counts = counts
        self.mode = mode
        self.clock = clock
        self.limits = limits
        self.downloads = Downloads(blobs, counts, limits, self._date)

    async def handle(self, request: web.BaseRequest, *, is_spelled: bool) -> web.StreamResponse:
        """Answer one request; `is_spelled` says whether its bytes are exactly a phone's."""
        is_strict = self.mode is GateMode.STRICT
        try:
            unknown = check_request(
                request.method,
                request.raw_path,
                (request.version.major, request.version.minor),
                request.raw_headers,
                self.mode,
            )
        except Refused as refused:
            return self.to_response(self.refuse(refused.reason))
        if is_strict and not is_spelled:
            return self.to_response(self.refuse(Reason.STRICT))
        self.counts.unknown_headers += unknown
        snapshot, path = self.served.snapshot, request.raw_path
        asked = snapshot.packages.get(path) if is_strict else None
        if asked and not is_block(request.raw_headers[1][1], asked.length):
            return self.to_response(self.refuse(Reason.STRICT))
        answer = plan_answer(snapshot, request.method, path, request.raw_headers)
        package = answer.package
        if package is not None and package.length:
            return await self.downloads.send(request, answer, package)
        self.counts.answers[answer.status] += 1
        return self.to_response(answer)

    def refuse(self, reason: Reason) -> Answer:
        """Count a refusal and return its answer."""
        answer = refusal(reason)
        self.counts.refusals[reason] += 1
        self.counts.answers[answer.status] += 1
        return answer

    def fail(self) -> Answer:
        """Count a failure of this server and return its answer."""
        answer = failure()
        self.counts.answers[answer.status] += 1
        return answer

    def to_response(self, answer: Answer) -> web.Response:
        """Return aiohttp's form of an answer that is in memory."""
        headers = {"Date": self._date(), **answer.headers}
        response = web.Response(status=answer.status, headers=headers, body=answer.body)
        if answer.close:
            response.force_close()
        return response

    def _date(self) -> str:
        return formatdate(self.clock(), usegmt=True)
