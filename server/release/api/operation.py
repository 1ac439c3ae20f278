"""The declaration of an operation of the API: its path, rights, input and output.

A resource is a module that exports `OPERATIONS`, the declarations of its handlers; `catalogue`
lists the modules. Request handling, OpenAPI description and tests use only these declarations.
"""

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict, TypeVar, Unpack

import msgspec
from aiohttp import web

from server.publisher.expiry.alarms import Notice
from server.publisher.publisher import Publisher
from server.release.api import PREFIX
from server.release.api.idempotency import Idempotency
from server.release.api.problems import ProblemError
from server.release.api.urgent_priority import AccountTurns, UrgentPriority
from server.release.auth.principal import Permission, Principal
from server.release.errors import Share
from server.release.rollouts.commands import is_match
from server.release.rollouts.rollouts import Rollouts
from server.release.submissions.submissions import Submissions
from server.release.uploads.limits import free_bytes
from server.release.uploads.uploads import Uploads
from server.settings import Settings
from server.storage.database import Sessions
from server.storage.layout import StateFolder

BODY_LIMIT = 16_384
"""Maximum bytes of a JSON body by default: a plan with calendar and note has 8 KiB.

A body is decoded on the event loop, in at most a millisecond. Larger data is sent by upload.
"""
WIDE_BODY_LIMIT = 65_536
"""Maximum bytes of a JSON body that lists a thousand codenames."""
URGENT_BODY_LIMIT = 4096
"""Maximum bytes of a JSON body of an urgent operation: a reason in eight languages."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

SEGMENT = r"[A-Za-z0-9._~-]{1,128}"
PATH_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "codename": r"[a-z0-9][a-z0-9_-]{0,31}",
        "region": r"[a-z0-9][a-z0-9-]{0,15}",
        "channel": r"[a-z0-9][a-z0-9-]{0,15}",
        "blob": r"[0-9a-f]{64}",
        "submission": r"[0-9a-f]{64}",
        "upload": r"[0-9a-f]{32}",
    }
)
"""Patterns of path parameters by name; all others match `SEGMENT`. A mismatch is 404."""
_PARAMETER = re.compile(r"\{([a-z_]+)\}")
T = TypeVar("T")


class PollCount(NamedTuple):
    """The number of polls that a process has answered since its start, and the seconds since."""

    number: int
    seconds: float


@dataclass(eq=False, slots=True)
class Services:
    """The services that handlers use.

    `clock` returns the time, `entropy(n)` n random bytes. `wake` makes the publishing loop look for
    bundles immediately. `alarms` returns the present alarms. `polls` returns the number of answered
    polls, or None if phones connect to a cache instead of this server. `urgent` runs urgent
    operations on their own event loop; with None they run on the present one. Meanwhile other
    requests wait in `urgent_priority`, and urgent requests of an account wait in `account_turns`.
    """

    folder: StateFolder
    sessions: Sessions
    publisher: Publisher
    rollouts: Rollouts
    clock: Callable[[], datetime]
    settings: Settings
    entropy: Callable[[int], bytes]
    wake: Callable[[], None] = lambda: None
    alarms: Callable[[], Sequence[Notice]] = tuple
    polls: Callable[[], PollCount | None] = lambda: None
    urgent: "UrgentLoop | None" = None
    urgent_priority: UrgentPriority = field(default_factory=UrgentPriority)
    account_turns: AccountTurns = field(default_factory=AccountTurns)
    keys: Idempotency = field(init=False)
    uploads: Uploads = field(init=False)
    submissions: Submissions = field(init=False)

    def __post_init__(self) -> None:
        blobs = self.publisher.blobs
        self.uploads = Uploads(
            self.folder,
            self.sessions,
            blobs,
            self.clock,
            self.entropy,
            free_bytes,
            self.settings,
        )
        self.submissions = Submissions(
            self.folder,
            self.sessions,
            blobs,
            self.clock,
            self.entropy,
            self.wake,
            self.settings,
            self.publisher.inbox,
        )
        self.keys = Idempotency(
            self.sessions, self.epoch, self.entropy, self.settings.idempotency_keys
        )

    def epoch(self) -> int:
        """Return the time in epoch seconds."""
        return int(self.clock().timestamp())


@dataclass(frozen=True, slots=True)
class Call:
    """A decoded request. `query` and `body` have the types that the operation declares, or None.

    A raw operation reads the body from `request.content` itself.
    """

    principal: Principal | None
    path: Mapping[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    request: web.BaseRequest
    services: Services

    @property
    def caller(self) -> Principal:
        """The caller; raises TypeError in a public operation, which has none."""
        if self.principal is None:
            raise TypeError("a public operation has no caller")
        return self.principal

    def check_match(self, etag: str) -> None:
        """Raise ProblemError (412) unless `If-Match` is `*` or lists `etag`, quotes included.

        Only for operations with `if_match`, whose handlers are not called without the header.
        """
        if not is_match(self.headers["If-Match"], etag):
            raise ProblemError(
                412,
                "changed-meanwhile",
                f"It was changed meanwhile and is {etag} now: look again, then decide.",
                {"ETag": etag},
            )


async def work_in_turn(call: Call, work: Callable[[Call], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on the urgent `call` when its account has a turn."""
    async with call.services.account_turns.taken(call.caller.name):
        return await work(call)


class UrgentLoop:
    """A separate event loop for urgent operations, with its own `services`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, services: Services) -> None:
        self._loop = loop
        self._services = services

    async def run(self, call: Call, work: Callable[[Call], Coroutine[Any, Any, T]]) -> T:
        """Run `work` on that loop, on `call` with that loop's services; return the result."""
        working = work_in_turn(dataclasses.replace(call, services=self._services), work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(working, self._loop))


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer. `body` is a value for JSON, bytes to be sent unchanged, or None.

    `status` defaults to that of the operation. A `Content-Type` in `headers` takes precedence.
    `share` is a limit that was reached although the request succeeded; it is counted.
    """

    body: object = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    share: Share | None = None


Handler = Callable[[Call], Coroutine[Any, Any, Reply | web.StreamResponse]]
Again = Callable[[Call, Mapping[str, Any]], Awaitable[Reply]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Header:
    """A header that an operation reads; `pattern` is a regular expression for the whole value."""

    name: str
    description: str
    pattern: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. Its id is the handler's name, its description the docstring.

    `permission`: required of the token; None accepts any valid token, `public` needs no token. The
    handler checks rights for a codename with `call.caller.check`.
    `request`, `query`: structs that forbid unknown fields; `response`: any type of msgspec.
    `errors`: statuses that the handler raises, in addition to those that the declaration implies.
    `if_match`: the request must have If-Match; the handler compares it with `call.check_match`.
    `urgent`: it stops something. The urgent listener serves it, too, and it runs on that listener's
    event loop. A caller that may stop something is not refused because of its rate of requests.
    `stops`: it does not count as a change of its account. Repeating it has no effect until another
    operation, which does count, has undone it.
    `secret`: the answer contains a secret, so it is not stored for a repeated Idempotency-Key.
    `again`: answers a repeated Idempotency-Key whose answer was lost, from the audit log entry of
    what was done, without doing it again.
    `raw`: the handler reads the body itself, of `content_type`, and may answer bytes or stream.
    `limit`: maximum bytes of a body; a raw handler limits it itself.
    `reply_headers`: constant headers of every answer, including refusals.
    """

    method: str
    path: str
    permission: Permission | None
    summary: str
    handler: Handler
    request: type[msgspec.Struct] | None = None
    response: Any = None
    status: int = 200
    query: type[msgspec.Struct] | None = None
    errors: tuple[int, ...] = ()
    public: bool = False
    if_match: bool = False
    urgent: bool = False
    stops: bool = False
    secret: bool = False
    again: Again | None = None
    raw: bool = False
    content_type: str = "application/json"
    response_type: str = "application/json"
    limit: int = BODY_LIMIT
    headers: tuple[Header, ...] = ()
    reply_headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS or not self.path.startswith(PREFIX + "/"):
            raise TypeError(f"{self.method} {self.path} cannot be an operation")
        for struct in (self.request, self.query):
            if struct is not None and not struct.__struct_config__.forbid_unknown_fields:
                raise TypeError(f"{struct.__name__} must forbid unknown fields")
        if self.public and self.permission is not None:
            raise TypeError(f"{self.id} is public and asks for a permission")

    @property
    def id(self) -> str:
        """The handler's name: the `operationId` in OpenAPI, and a label of the metrics."""
        return self.handler.__name__

    async def perform(self, call: Call, work: Callable[[Call], Coroutine[Any, Any, T]]) -> T:
        """Run `work` for this operation: on the urgent loop if it is urgent, else on this one."""
        if not self.urgent:
            return await work(call)
        urgent = call.services.urgent
        with call.services.urgent_priority.stopping():
            return await (work_in_turn(call, work) if urgent is None else urgent.run(call, work))

    @property
    def takes_key(self) -> bool:
        """Whether the operation accepts an Idempotency-Key."""
        return self.method == "POST" and not self.raw and not self.public

    @property
    def is_change(self) -> bool:
        """Whether it counts as a change of its account; parts of uploads do not."""
        is_part = self.raw and self.method == "PATCH"
        is_look = self.method in {"GET", "HEAD", "OPTIONS"}
        return not (is_look or is_part or self.stops or self.urgent)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(_PARAMETER.findall(self.path))


class Members(TypedDict, total=False):
    """The optional members of a declaration; see `Operation`."""

    permission: Permission | None
    request: type[msgspec.Struct]
    response: Any
    status: int
    query: type[msgspec.Struct]
    errors: tuple[int, ...]
    public: bool
    if_match: bool
    urgent: bool
    stops: bool
    secret: bool
    again: Again
    raw: bool
    content_type: str
    response_type: str
    limit: int
    headers: tuple[Header, ...]
    reply_headers: Mapping[str, str]


class Operations(list[Operation]):
    """The operations of a resource, in the order of their handlers.

    `shared` are the default members of its operations.
    """

    def __init__(self, **shared: Unpack[Members]) -> None:
        super().__init__()
        self._shared = shared

    def on(self, route: str, summary: str, **declared: Unpack[Members]) -> Callable[[H], H]:
        """Declare the decorated handler as an operation.

        `route` is the method, a space, and the path after `PREFIX`. `declared` are other members.
        """
        method, path = route.split(" ")

        def add(handler: H) -> H:
            members: Members = {**self._shared, **declared}
            self.append(
                Operation(
                    method=method, path=PREFIX + path, summary=summary, handler=handler, **members
                )
            )
            return handler

        return add


def path_pattern(name: str) -> str:
    """Return the regular expression of a path parameter."""
    return PATH_PATTERNS.get(name, SEGMENT)


def path_regex(path: str) -> re.Pattern[str]:
    """Return the pattern of decoded paths for the template `path`; parameters are named groups."""
    pieces = _PARAMETER.split(path)
    literals, names = pieces[::2], pieces[1::2]
    expression = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        expression += f"(?P<{name}>{path_pattern(name)})" + re.escape(literal)
    return re.compile(expression)
