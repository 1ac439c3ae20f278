"""Polls a node four times a second, as a TUF client that has only the pinned root.

Each poll reads the timestamp. After a new timestamp it reads all metadata that the rules need, and
verifies it from the pinned root. Device nodes are polled inside their machines, so that a node is
observed while its link is down.
"""

import http.client
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from client_sim.device.errors import GoneError, TransportError, TrustError, UnreachableError
from client_sim.device.refresh import update_role, update_top_level
from client_sim.device.workflow import TIMESTAMP_LIMIT, Workflow
from soak.grown.history import Fetched, History, Seen, Shown, State, Unverified
from soak.grown.program import answers
from tests.server.ceremony import MODELS

LOOK_SECONDS = 0.25
ANSWER_SECONDS = 5.0
LATEST = "latest"
FIRST_BYTES = {"Range": "bytes=0-99"}


class Observer:
    """Polls the node `name` at `url` until `stop` is called.

    `ready_url` is the node's readiness URL, empty for none; the observer's thread first calls
    `enter`. `withdrawn` returns the paths of withdrawn packages.
    """

    def __init__(
        self,
        name: str,
        url: str,
        ready_url: str,
        root: bytes,
        history: History,
        withdrawn: Callable[[], list[str]],
        enter: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._address = urlsplit(url).netloc
        self._ready_url = ready_url
        self._root = root
        self._history = history
        self._withdrawn = withdrawn
        self._enter = enter
        self._last: tuple[bytes, Workflow] | None = None
        self._refused = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"observer of {name}", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the poll in progress."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self._enter()
        while not self._stop.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Poll once and record the result; record nothing if the node does not answer."""
        is_ready = bool(self._ready_url) and answers(self._ready_url)
        at = self._history.now()
        try:
            data = self.fetch("timestamp", None, TIMESTAMP_LIMIT)
            if data == self._refused:
                return
            if self._last is None or self._last[0] != data:
                self._last = data, self._follow(data)
        except TransportError:
            return
        except TrustError as error:
            self._refused = data
            self._history.add(Unverified(at, self._name, str(error)))
            return
        verified = self._last[1].verified
        versions = verified.versions
        self._history.add(
            Seen(at, self._name, is_ready, versions["timestamp"], versions["snapshot"])
        )

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if the node does not have it."""
        try:
            return self.fetch("root", version, 0)
        except GoneError:
            return None

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:  # noqa: ARG002 - TUF checks it
        """Return a role's file; raises TransportError."""
        name = role if version is None else f"{version}.{role}"
        status, data = self._get(f"/metadata/{name}.json")
        if status != 200:
            raise GoneError(f"{name}.json is answered {status}.")
        return data

    def _follow(self, timestamp: bytes) -> Workflow:
        """Verify and record the metadata of a timestamp; then request the withdrawn packages."""
        workflow = Workflow(self._root, {}, now=time.time())
        update_top_level(_From(timestamp, self), workflow)
        for role in (*MODELS, LATEST):
            update_role(self, workflow, role)
        versions = workflow.versions
        latest = workflow.verified.role(LATEST)
        channels = (
            {}
            if latest is None
            else {
                path.removeprefix(f"{LATEST}/"): _show(target.unrecognized_fields["custom"])
                for path, target in latest.targets.items()
            }
        )
        roles = {role: versions[role] for role in MODELS}
        snapshot = versions["snapshot"]
        self._history.add(State(self._history.now(), self._name, snapshot, roles, channels))
        for package in self._withdrawn():
            status, _ = self._get(f"/targets/{package}", FIRST_BYTES)
            self._history.add(Fetched(self._history.now(), self._name, package, snapshot, status))
        return workflow

    def _get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{path} is not answered: {error}.") from error
        finally:
            connection.close()


class _From:
    """Returns metadata from the node, and a timestamp that was read before."""

    def __init__(self, timestamp: bytes, observer: Observer) -> None:
        self._timestamp = timestamp
        self._observer = observer

    def find_root(self, version: int) -> bytes | None:
        return self._observer.find_root(version)

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        if role == "timestamp":
            return self._timestamp
        return self._observer.fetch(role, version, limit)


def _show(custom: dict[str, object]) -> Shown:
    """Return the offer in a channel's pointer (FORMATS section 4)."""
    match custom:
        case {"s": [*_, {"n": int(counter)}], "p": bool(paused), "h": bool(halted), "t": dict(why)}:
            state = "halted" if halted else "paused" if paused else "offered"
            return Shown(counter, state, str(why.get("en", "")))
        case _:
            raise TrustError("A pointer is none.")
