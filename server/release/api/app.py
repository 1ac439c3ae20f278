"""Request handling of the API: route, token, right, body, handler, answer.

The order is a guarantee: the body of a request without a valid token is not read, and its client
learns only which paths exist. The public OpenAPI description lists these as well.
"""

import hashlib
from collections.abc import Awaitable, Mapping
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from server.release.api.catalogue import Route, Routes
from server.release.api.decode import decode_body, decode_query, invite_body, receive_body
from server.release.api.idempotency import Answer, Request, answer_lost, read_key
from server.release.api.operation import Call, Operation, Reply, Services
from server.release.api.problems import MEDIA_TYPE, ProblemError, describe
from server.release.api.status import ApiMetrics
from server.release.auth.audit_log import describe as describe_entry
from server.release.auth.principal import STOPPING, Permission, Principal
from server.release.rollouts.commands import read_if_match
from server.storage.models import AuditLogEntry

JSON = "application/json"
MALFORMED = (
    "The server cannot read this HTTP request: send HTTP/1.1 with one Host header, a known method,"
    " and lines that are not too long."
)
log = structlog.get_logger()


class Authenticator(Protocol):
    """Finds the principal of a request."""

    async def admit(self, request: web.BaseRequest, *, is_urgent: bool = False) -> Principal:
        """Return the caller; raises AuthenticationError or RateError."""

    def count_change(self, principal: Principal) -> None:
        """Count a request for a change; raises RateError beyond the account's rate."""


class Api:
    """Answers requests for `operations`; a body must arrive within `body_seconds`."""

    def __init__(
        self,
        operations: tuple[Operation, ...],
        services: Services,
        admission: Authenticator,
        metrics: ApiMetrics,
        body_seconds: float,
    ) -> None:
        self._routes = Routes(operations)
        self._services = services
        self._admission = admission
        self._metrics = metrics
        self._body_seconds = body_seconds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ConnectionError if its client is gone."""
        operation = None
        try:
            route = self._routes.find(request.method, request.raw_path)
            operation = route.operation
            if not operation.urgent:
                await self._services.urgent_priority.enter()
            response = await self._answer(request, route)
        except Exception as error:  # noqa: BLE001 - every error is answered by a problem document
            if request.transport is None:
                raise ConnectionError("the client is gone") from None
            response = _to_response(self._refuse(error, operation))
        if operation is not None:
            for name, value in operation.reply_headers.items():
                response.headers.setdefault(name, value)
        self._metrics.count(operation, response.status)
        return response

    def fail(self, error: BaseException | None) -> web.Response:
        """Answer an error that was raised outside of `handle`; for the listener."""
        failure = error if isinstance(error, Exception) else RuntimeError()
        response = _to_response(self._refuse(failure, None))
        self._metrics.count(None, response.status)
        return response

    def refuse_malformed(self) -> web.Response:
        """Answer bytes that are not an HTTP request; for the listener."""
        error = ProblemError(400, "malformed", MALFORMED)
        response = _to_response(self._refuse(error, None))
        response.force_close()
        self._metrics.count(None, response.status)
        return response

    async def _answer(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        operation = route.operation
        principal = (
            None
            if operation.public
            else await self._admission.admit(request, is_urgent=operation.urgent)
        )
        if principal is not None and operation.permission is not None:
            principal.check(operation.permission)
        if principal is not None and operation.urgent:
            _check_may_stop(principal, operation, route.path)
        if principal is not None and operation.is_change:
            self._admission.count_change(principal)
        query = decode_query(route.query, operation.query)
        if operation.if_match:
            _check_if_match(request)
        data, body = b"", None
        if operation.raw:
            await invite_body(request)
        else:
            data = await receive_body(request, operation, self._body_seconds)
        if operation.request is not None:
            body = decode_body(data, operation.request)
        call = Call(principal, route.path, query, body, request.headers, request, self._services)
        answer = await operation.perform(call, lambda call: self._act(operation, call, data))
        return answer if isinstance(answer, web.StreamResponse) else _to_response(answer)

    async def _act(
        self, operation: Operation, call: Call, data: bytes
    ) -> Answer | web.StreamResponse:
        """Execute a request on its event loop; only once if it has an Idempotency-Key."""
        keyed = "Idempotency-Key" in call.request.headers
        if call.principal is not None and operation.takes_key and keyed:
            return await self._answer_once(operation, call, data)
        reply = await operation.handler(call)
        return (
            reply
            if isinstance(reply, web.StreamResponse)
            else self._count_and_answer(reply, operation)
        )

    async def _answer_once(self, operation: Operation, call: Call, data: bytes) -> Answer:
        """Answer a request with an Idempotency-Key; its body was decoded before."""
        keys = call.request.headers.getall("Idempotency-Key")
        if len(keys) != 1:
            raise ProblemError(400, "malformed", "There are two Idempotency-Key headers: send one.")

        async def answer(asking: Awaitable[Reply | web.StreamResponse]) -> Answer:
            try:
                reply = await asking
            except Exception as error:  # noqa: BLE001 - a refusal is an answer that is stored, too
                return self._refuse(error, operation)
            if not isinstance(reply, Reply):
                raise TypeError(f"{operation.id} streams, but is not raw")
            return self._count_and_answer(reply, operation)

        async def look(index: int) -> Answer:
            if operation.again is None:
                raise answer_lost(f"as entry {index} of the audit log shows")
            async with call.services.sessions() as session:
                entry = await session.get_one(AuditLogEntry, index)
            return await answer(operation.again(call, describe_entry(entry)))

        request = Request(
            call.caller.name,
            read_key(keys[0]),
            _fingerprint(call.request, operation, data),
            keep=not operation.secret,
            urgent=operation.urgent,
        )
        return await call.services.keys.once(request, lambda: answer(operation.handler(call)), look)

    def _count_and_answer(self, reply: Reply, operation: Operation) -> Answer:
        if reply.share is not None:
            self._metrics.count_limit(reply.share)
        return _to_answer(reply, operation)

    def _refuse(self, error: Exception, operation: Operation | None) -> Answer:
        incident = self._services.entropy(8).hex()
        refusal = describe(error, incident)
        self._metrics.count_refusal(error)
        if refusal.problem.incident is not msgspec.UNSET:
            log.error(
                "the API failed",
                incident=incident,
                operation=operation.id if operation else "",
                error=locate(error),
            )
        status = refusal.problem.status
        return Answer(status, {"Content-Type": MEDIA_TYPE, **refusal.headers}, refusal.data)


def _to_answer(reply: Reply, operation: Operation) -> Answer:
    status = operation.status if reply.status is None else reply.status
    if reply.body is None:
        return Answer(status, reply.headers, b"")
    if isinstance(reply.body, bytes):
        return Answer(
            status, {"Content-Type": operation.response_type, **reply.headers}, reply.body
        )
    return Answer(status, {"Content-Type": JSON, **reply.headers}, msgspec.json.encode(reply.body))


def _to_response(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)
    if not answer.body and "Content-Type" not in answer.headers:
        # aiohttp sets a Content-Type even without a body.
        response.headers.popall("Content-Type", None)
    return response


def _check_may_stop(principal: Principal, operation: Operation, path: Mapping[str, str]) -> None:
    """Raise PermissionDeniedError unless the caller may stop this, before anything is written.

    Urgent requests delay other requests, so a caller without the right must not get that far.
    """
    if operation.permission is not None:
        principal.check(operation.permission, path.get("codename", ""))
    elif not principal.permissions & STOPPING:
        principal.check(Permission.ROLLOUT)


def _check_if_match(request: web.BaseRequest) -> None:
    given: list[str] = request.headers.getall("If-Match", [])
    if len(given) != 1:
        sentence = "This change needs If-Match with the ETag of the state that you saw."
        raise ProblemError(428, "match-required", sentence)
    read_if_match(given[0])


def _fingerprint(request: web.BaseRequest, operation: Operation, body: bytes) -> str:
    names = ("If-Match", *(header.name for header in operation.headers))
    values = [request.headers.getall(name, []) for name in names]
    head = f"{request.method} {request.raw_path} {values}\n"
    return hashlib.sha256(head.encode() + body).hexdigest()


def locate(error: Exception) -> str:
    """Return an error's class and traceback lines, but not its text, which may quote a client."""
    names = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        names.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    return f"{kind} at {' '.join(names[-6:])}"
