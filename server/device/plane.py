"""The device plane: checks requests by the gate, and answers them. It has no router, no access log.

If several nodes answer for one host name, a phone may learn of a file from one node and request it
from another, which has not read the newest timestamp yet. That node waits for its next snapshot
before it answers 404. It does not wait for the next root, which every poll requests before it
exists.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from server.device.answer import (
    Served,
    is_for_package,
    is_phones,
    plan_answer,
    plan_gate_refusal,
    plan_head,
)
from server.device.gate import check_request, is_block, is_path, take_heads
from server.http.answers import Answer, Hit
from server.http.counts import Counts
from server.http.heads import LONGEST, Planned, PlannedFile, match_path
from server.http.plane import Plane
from server.http.requests import GateMode, Reason, Refused
from server.http.turns import LIMITS, Limits
from server.storage.blobs import BlobReader

RECALLED = 4096  # cached answers to heads of clients other than phones


class DevicePlane(Plane):
    """Answers requests from `served`, which is replaced in one assignment.

    `clock` returns epoch seconds. `lag` is the number of seconds in which a missing file may still
    arrive; 0 if this server is the first node to have each file.
    """

    served: Served

    def __init__(
        self,
        blobs: BlobReader,
        counts: Counts,
        mode: GateMode,
        clock: Callable[[], float],
        limits: Limits = LIMITS,
        lag: float = 0.0,
    ) -> None:
        is_direct = mode is not GateMode.EDGE
        super().__init__(blobs, counts, clock, limits, counts_packages=is_direct)
        self.served = Served()
        self.mode = mode
        self._lag = lag
        self._shown = asyncio.Event()
        self._secret = os.urandom(16)

    def show(self, served: Served) -> None:
        """Answer from `served` from now on, including requests that wait for it."""
        self.served = served
        self._shown.set()
        self._shown = asyncio.Event()

    def recall(self, data: bytes) -> Hit | None:
        """Return the cached answer of `plan` to one request; None if there is none."""
        if len(data) > LONGEST:
            return None
        return self.served.recalled.get(hash(self._secret + data))

    def plan(self, head: bytes) -> Planned | PlannedFile | None:
        """Return the answer to a whole head, or None for the fallback to aiohttp.

        Clients other than phones repeat their heads, so answers that depend on nothing else are
        cached. The key is a hash of the head with a secret: no header is kept, and no client can
        find two heads with one hash.
        """
        if (hit := self.served.exact.get(head)) is not None:
            return *hit, False, None
        planned = self._plan(head)
        if planned is not None and not isinstance(planned, PlannedFile):
            status, content, is_last, remark = planned
            if not is_last and remark is None:
                if len(self.served.recalled) == RECALLED:
                    self.served.recalled.clear()
                self.served.recalled[hash(self._secret + head)] = status, content
        return planned

    def _plan(self, head: bytes) -> Planned | PlannedFile | None:
        served, mode = self.served, self.mode
        planned = None
        if mode is not GateMode.STRICT or is_phones(head, served.snapshot):
            planned = plan_head(head, served, is_edge=mode is GateMode.EDGE)
        if planned is None:
            return plan_gate_refusal(head, mode)
        if not self._lag or isinstance(planned, PlannedFile) or planned[0] != HTTPStatus.NOT_FOUND:
            return planned
        return None if self._may_come(match_path(head.partition(b"\r\n")[0])) else planned

    async def handle(self, request: web.BaseRequest, *, is_spelled: bool) -> web.StreamResponse:
        """Answer a request that fell back to aiohttp; first wait for a file that may arrive."""
        if self._lag and self._may_come(request.raw_path):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lag):
                    await self._shown.wait()
        return await super().handle(request, is_spelled=is_spelled)

    def _may_come(self, path: str | None) -> bool:
        snapshot = self.served.snapshot
        return (
            path is not None
            and is_path(path)
            and path != snapshot.next_root
            and path not in snapshot.documents
            and path not in snapshot.packages
            and not snapshot.is_gone(path)
        )

    def tick(self) -> None:
        """Do nothing: the device plane's answers do not depend on the time."""

    def is_for_package(self, head: bytes) -> bool:
        """Return whether a head requests a package, whether or not the fast path answers it."""
        return is_for_package(head, self.served)

    def is_spelled(self, head: bytes) -> bool:
        """Return whether a whole head has a phone's exact spelling; only STRICT requires it."""
        return self.mode is not GateMode.STRICT or take_heads(head) == (b"", True)

    def choose(self, request: web.BaseRequest, *, is_spelled: bool) -> Answer:
        """Return the answer to a request that fell back to aiohttp."""
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
            return self.refuse(refused.reason)
        if is_strict and not is_spelled:
            return self.refuse(Reason.STRICT)
        self.counts.unknown_headers += unknown
        snapshot, path = self.served.snapshot, request.raw_path
        package = snapshot.packages.get(path) if is_strict else None
        if package and not is_block(request.raw_headers[1][1], package.length):
            return self.refuse(Reason.STRICT)
        return plan_answer(snapshot, request.method, path, request.raw_headers)
