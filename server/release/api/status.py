"""The server's state: health for machines, status for people, and the metrics of the API."""

import asyncio
import functools
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter
from tuf.api.metadata import Role

from server.publisher.expiry.alarms import Notice
from server.publisher.inbox import count_waiting
from server.publisher.published import load_published
from server.release.api.operation import Call, Operation, Operations, Reply
from server.release.auth.principal import Permission
from server.release.errors import RateError, Share
from server.storage.errors import StorageError
from server.storage.tree import identify_timestamp

OPERATIONS = Operations(permission=None)

VERSION = version("hening")  # takes a millisecond to find


class Health(msgspec.Struct, frozen=True):
    """The answer of a process that runs."""

    status: Literal["ok"] = "ok"


class RoleState(msgspec.Struct, frozen=True):
    """The published version of one role."""

    name: str
    version: int
    expires: Annotated[int, msgspec.Meta(description="Epoch seconds.")]
    threshold: int
    """The number of its keys that have to sign a new version."""
    keys: list[str]
    """The ids of the keys that may sign it."""


class Status(msgspec.Struct, frozen=True):
    """The published roles, the number of waiting bundles, and alarms."""

    version: str
    """The version of the server."""
    time: Annotated[int, msgspec.Meta(description="Epoch seconds.")]
    snapshot: Annotated[
        int, msgspec.Meta(description="Its published version; 0 before the first publication.")
    ]
    roles: list[RoleState]
    queue: Annotated[int, msgspec.Meta(description="Number of bundles that wait.")]
    alarms: Annotated[list[Notice], msgspec.Meta(description="Alarms that need a person.")]


@OPERATIONS.on("GET /health", "Liveness", public=True, response=Health)
async def get_health(_call: Call) -> Reply:
    """Answer that the process runs; it checks nothing else."""
    return Reply(Health())


@OPERATIONS.on(
    "GET /status",
    "Show the published roles, waiting bundles and alarms",
    permission=Permission.READ,
    response=Status,
)
async def get_status(call: Call) -> Reply:
    """Return the published roles, the number of waiting bundles, and alarms."""
    try:
        queue = len(await call.services.submissions.list_waiting())
    except StorageError:
        queue = await asyncio.to_thread(count_waiting, call.services.folder)
    return Reply(await asyncio.to_thread(_look, call, queue))


def _look(call: Call, queue: int) -> Status:
    folder = call.services.folder
    snapshot, roles = _published(folder.public, identify_timestamp(folder.public))
    return Status(
        version=VERSION,
        time=call.services.epoch(),
        snapshot=snapshot,
        roles=roles,
        queue=queue,
        alarms=list(call.services.alarms()),
    )


@functools.lru_cache(maxsize=1)
def _published(public: Path, _identity: tuple[int, int] | None) -> tuple[int, list[RoleState]]:
    """Return the version of snapshot, and the roles; cached until the timestamp file changes.

    With hundreds of models, hundreds of files are read. Without the cache, clients that poll each
    second would slow publishing down.
    """
    published = load_published(public)
    if published is None:
        return 0, []
    signed = {
        "root": published.root,
        "targets": published.targets,
        "snapshot": published.snapshot,
        "timestamp": published.timestamp,
        **published.roles,
    }
    states = []
    for name, role in signed.items():
        known: Role = (
            published.root.roles[name]
            if name in published.root.roles
            else published.targets.get_delegated_role(name)
        )
        expires = int(role.expires.timestamp())
        states.append(RoleState(name, role.version, expires, known.threshold, list(known.keyids)))
    return published.snapshot.version, states


CLASSES = ("2xx", "3xx", "4xx", "5xx")
NO_OPERATION = "none"


class ApiMetrics:
    """The metrics of a listener, `plane` being `api` or `urgent`.

    `hening_PLANE_requests{operation, status}`: requests by class of status, such as `2xx`.
    `hening_PLANE_limits{share}`: how often a limit was reached, of a token, an account or all.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        operations: tuple[Operation, ...],
        plane: str = "api",
    ) -> None:
        self._requests = Counter(
            f"hening_{plane}_requests",
            "Requests to the control plane",
            ["operation", "status"],
            registry=registry,
        )
        self._known = {NO_OPERATION, *(operation.id for operation in operations)}
        # Every label exists from the start, as on the device plane.
        for label in self._known:
            for status in CLASSES:
                self._requests.labels(label, status)
        self._limits = Counter(
            f"hening_{plane}_limits",
            "How often a limit was reached: of a token, an account, or all clients",
            ["share"],
            registry=registry,
        )
        for share in Share:
            self._limits.labels(share)

    def count_limit(self, share: Share) -> None:
        """Count that a limit was reached."""
        self._limits.labels(share).inc()

    def count_refusal(self, error: Exception) -> None:
        """Count the limit of a RateError that is answered; ignore other errors."""
        if isinstance(error, RateError):
            self.count_limit(error.share)

    def count(self, operation: Operation | None, status: int) -> None:
        """Count an answer with `status` to a request for `operation`, None for an unknown path."""
        name = NO_OPERATION if operation is None else operation.id
        label = name if name in self._known else NO_OPERATION
        self._requests.labels(label, f"{status // 100}xx").inc()
