"""The plane of the dialects: looks up paths, with the engine and the rules of all public planes.

Queries, bodies, cookies and paths outside the grammar are refused, and no part of them is kept.
"""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from server.compat.dialects import compile_grammar
from server.compat.lineage import DISCARDED
from server.compat.lists import AppRequests, Lists, common_header_blocks
from server.compat.options import CompatOptions
from server.compat.pages import Content, Gone, Page
from server.http.answers import (
    IMMUTABLE,
    ONE_MINUTE,
    Answer,
    Package,
    answer_package,
    decode_fields,
    not_found,
    problem,
)
from server.http.counts import Counts
from server.http.heads import (
    LONGEST,
    UNKNOWN,
    Planned,
    PlannedFile,
    match_fields,
    match_path,
    plan_refusal,
    plan_rest,
)
from server.http.plane import Plane
from server.http.requests import GateMode, Headers, Reason, Refused, check_form
from server.http.turns import LIMITS, Limits
from server.storage.blobs import BlobReader

# The headers of the apps and their libraries; the strict gate refuses all others.
APPS = frozenset(
    {
        b"host",
        b"connection",
        b"user-agent",
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"range",
    }
)
OK = HTTPStatus.OK.value


class CompatPlane(Plane):
    """Answers from `served`, which is replaced in one assignment, and follows the clock.

    `clock` returns epoch seconds.
    """

    served: Lists

    def __init__(
        self,
        options: CompatOptions,
        blobs: BlobReader,
        counts: Counts,
        clock: Callable[[], float],
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__(blobs, counts, clock, limits)
        self.served = Lists()
        self._common = common_header_blocks(options.public_url)
        self._mode = options.gate
        self._is_edge = options.gate is GateMode.EDGE
        self._is_strict = options.gate is GateMode.STRICT
        self._grammar = compile_grammar(options.dialects)
        self._discards = "lineage1" in options.dialects

    def serve(self, lists: Lists) -> None:
        """Answer from `lists` from now on."""
        lists.exact = AppRequests(lists.lines, self._common)
        self.served = lists
        self.tick()

    def tick(self) -> None:
        """Apply the changes of lists that are due."""
        self.served.follow(self.clock())

    def plan(self, head: bytes) -> Planned | PlannedFile | None:
        """Return the answer to a whole head, or None for the fallback to aiohttp."""
        line, _, rest = head.partition(b"\r\n")
        found = match_fields(rest, is_edge=self._is_edge)
        page = self.served.lines.get(line)
        is_short, is_strict = len(head) <= LONGEST, self._is_strict
        if page is not None and found is not None and is_short and not is_strict:
            remark = None if found[-1] is None else UNKNOWN
            return OK, page.data, found[5] == b"close", remark
        is_head = line.startswith(b"HEAD ")
        path = match_path(b"GET" + line[4:] if is_head else line)
        if path is None or found is None or not is_short:
            return plan_refusal(head, self._check)
        content = self._find(path)
        is_path = content is not None or self._is_path(path)
        if not is_path or is_strict:
            refused = plan_refusal(head, self._check)
            if refused is not None or not is_path:
                return refused
        _, _, _, part, if_part, connection, _, unknown = found
        is_last, remark = connection == b"close", None if unknown is None else UNKNOWN
        if isinstance(content, Page):
            return OK, content.fields if is_head else content.data, is_last, remark
        if is_head and isinstance(content, Package):
            return None  # the answer depends on whether the package can be read
        answer = answer_to(content, part, if_part)
        return plan_rest(answer, is_last=is_last, is_head=is_head, remark=remark)

    def is_for_package(self, head: bytes) -> bool:
        """Return whether a head requests a package, whether or not the fast path answers it."""
        path = head.split(b" ", 2)[1:2]
        return path != [] and isinstance(self._find(path[0].decode("latin-1")), Package)

    def is_spelled(self, head: bytes) -> bool:  # noqa: ARG002 - no spelling is required
        """Return True, because the apps' requests have no common spelling."""
        return True

    def choose(self, request: web.BaseRequest, *, is_spelled: bool) -> Answer:  # noqa: ARG002
        """Return the answer to a request that fell back to aiohttp."""
        version = request.version.major, request.version.minor
        headers = request.raw_headers
        try:
            self.counts.unknown_headers += self._check_version(
                request.method, request.raw_path, version, headers
            )
        except Refused as refused:
            return self.refuse(refused.reason)
        fields = {name.lower(): value for name, value in headers}
        part = None if request.method == "HEAD" else fields.get(b"range")
        return answer_to(self._find(request.raw_path), part, fields.get(b"if-range"))

    def _find(self, path: str) -> Content | None:
        content = self.served.contents.get(path)
        if content is None and self._discards:
            match = DISCARDED.fullmatch(path)
            content = None if match is None else self.served.contents.get(match[1])
        return content

    def _is_path(self, path: str) -> bool:
        return self._grammar.fullmatch(path) is not None

    def _check(self, method: str, path: str, headers: Headers) -> None:
        self._check_version(method, path, (1, 1), headers)

    def _check_version(
        self, method: str, path: str, version: tuple[int, int], headers: Headers
    ) -> bool:
        unknown = check_form(method, path, version, headers, self._mode, self._is_path)
        if self._mode is GateMode.STRICT and any(name.lower() not in APPS for name, _ in headers):
            raise Refused(Reason.STRICT)
        return unknown


def answer_to(content: Content | None, part: bytes | None, if_part: bytes | None) -> Answer:
    """Return the answer with the content of a path; None is a path that does not exist."""
    match content:
        case None:
            return not_found()
        case Gone():
            return problem(HTTPStatus.GONE, "This was withdrawn.", cache=ONE_MINUTE)
        case Page():
            return Answer(HTTPStatus.OK, decode_fields(content.fields), content.body)
        case Package():
            headers = {
                "Content-Type": "application/octet-stream",
                "Cache-Control": IMMUTABLE,
                "Accept-Ranges": "bytes",
            }
            # Without an entity tag, If-Range never matches, and the whole file is sent.
            return answer_package(headers, content, "", part, if_part)
