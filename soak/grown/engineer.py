"""A simulated engineer of one model: releases, offers, pauses and halts in sequence.

Each command is repeated with its idempotency key, on each control node in turn, until a node
answers that it is done or refused, or until GIVE_UP_SECONDS have passed.
"""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from server.core.names import hashed_target_path
from signer.bundle_writer import Blob
from signer.remote.connection import (
    Address,
    Connection,
    Server,
    ServerRefusal,
    ServerUnavailableError,
)
from signer.remote.submitter import make_outgoing, submit_outgoing
from soak.grown.history import (
    Acknowledged,
    History,
    Refused,
    Sent,
    Unanswered,
    Withdrawn,
)
from soak.grown.nodes import API, Node
from tests.server.ceremony import Ceremony, release

ANSWER_SECONDS = 20.0  # timeout of one attempt
GIVE_UP_SECONDS = 240.0  # for all attempts of a command
AGAIN_SECONDS = 0.5
BETWEEN_SECONDS = 1.5
PLAN = {"stages": [{"permille": 1000}]}
WITHDRAWN = 0.3  # share of halted releases
IDLE = ("under-way", "too-many-requests")  # problem types after which a command is repeated


class Engineer:
    """Works on `model` through the control nodes, in order of preference.

    `files` are the targets that the model's role lists; `packages` is a folder for new packages.
    """

    def __init__(
        self,
        model: str,
        version: int,
        counter: int,
        ceremony: Ceremony,
        controls: Sequence[Node],
        token: str,
        history: History,
        seed: int,
        files: Mapping[str, tuple[bytes, dict[str, object]]],
        packages: Path,
    ) -> None:
        self._model = model
        self._version = version
        self._counter = counter
        self._ceremony = ceremony
        self._packages = packages
        self._controls = controls
        self._token = token
        self._history = history
        self._draw = random.Random(f"{seed} {model}")
        self._files = dict(files)
        self._number = 0
        self.withdrawn: list[str] = []

    def work(self, stop: threading.Event) -> None:
        """Run cycles with random actions until `stop` is set."""
        while not stop.wait(self._draw.uniform(0, 2 * BETWEEN_SECONDS)):
            self.cycle(self._draw.choice((["pause", "resume"], ["halt"], ["pause", "halt"])))

    def cycle(self, actions: Sequence[str]) -> None:
        """Publish and offer a release, then send `actions`; sometimes withdraw a halted release."""
        self._counter += 1
        path = f"{self._model}/id/stable/{self._model}-{self._counter}.zip"
        package = b"PK\x03\x04" + self._draw.randbytes(10_000)
        build = f"Hening/{self._model}/{self._model}:14/UKQ1/{self._counter}:user/release-keys"
        self._files[path] = package, release(self._counter, fingerprint=build)
        if not self._publish([package]):
            return
        if not self._order("offer", {"plan": PLAN, "counter": self._counter}):
            return
        is_done = False
        for action in actions:
            words = f"{self._model} {self._number + 1}" if action != "resume" else ""
            is_done = self._order(action, {"reason": {"en": words}} if words else {}, words)
        # Only halted releases: the server halts any other withdrawn one, with its own reason.
        if actions[-1] == "halt" and is_done and self._draw.random() < WITHDRAWN:
            gone = release(self._counter, fingerprint=build, withdrawn=True)
            self._files[path] = package, gone
            sha256 = hashlib.sha256(package).hexdigest()
            name = hashed_target_path(path, sha256)
            command = f"{self._model}-{self._number + 1}"
            self._history.add(Withdrawn(self._history.now(), name, command))
            if self._publish([]):
                self.withdrawn.append(name)

    def _publish(self, packages: Sequence[bytes]) -> bool:
        """Sign and submit the model's next version as `hening-signer` does, until it is public.

        An upload that began on one control node continues on the next. Return whether it is public.
        """
        self._version += 1
        command = self._begin("publish", self._model, self._version)
        role = self._ceremony.role(self._model, self._version, self._files)
        blobs = [self._blob(data) for data in packages]
        outgoing = make_outgoing({(self._model, self._version): role}, blobs)
        deadline, why = time.monotonic() + GIVE_UP_SECONDS, ""
        while time.monotonic() < deadline:
            for node in self._controls:
                try:
                    outcome = submit_outgoing(
                        self._server(node), outgoing, self._draw.randbytes, _look
                    )
                except ServerRefusal as error:
                    self._history.add(Refused(self._history.now(), command, str(error)))
                    return False
                except ServerUnavailableError as error:
                    why = str(error)
                    continue
                self._history.add(Acknowledged(self._history.now(), command, outcome.snapshot))
                return True
            time.sleep(AGAIN_SECONDS)
        self._history.add(Unanswered(self._history.now(), command, why))
        return False

    def _blob(self, data: bytes) -> Blob:
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._packages / sha256
        path.write_bytes(data)
        return Blob(path, len(data), sha256)

    def _server(self, node: Node) -> Server:
        address = Address(is_tls=False, host=node.machine.address, port=API)
        connection = Connection(address, self._token, None)
        return Server(connection, node.machine.name, lambda seconds: time.sleep(min(seconds, 1.0)))

    def _order(self, action: str, body: Mapping[str, object], words: str = "") -> bool:
        """Send a command for the channel until it is answered; return whether it was done."""
        command = self._begin(action, f"{self._model}/id/stable", self._counter, words)
        path = f"/api/v1/channels/{self._model}/id/stable/{action}"
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": command,
        } | ({} if action == "halt" else {"If-Match": "*"})
        deadline, why = time.monotonic() + GIVE_UP_SECONDS, ""
        while time.monotonic() < deadline:
            for node in self._controls:
                try:
                    status, document = _post(f"{node.api}{path}", headers, body)
                except OSError as error:
                    why = f"{node.machine.name}: {error}"
                    continue
                if status == 200 and document["change"]["state"] == "done":
                    change = document["change"]
                    done = Acknowledged(
                        self._history.now(), command, change["snapshot"], change["id"]
                    )
                    self._history.add(done)
                    return True
                why = f"{node.machine.name}: {status} {document.get('detail', document)}"
                is_final = status < 500 and not str(document.get("type", "")).endswith(IDLE)
                if is_final:
                    self._history.add(Refused(self._history.now(), command, why))
                    return False
            time.sleep(AGAIN_SECONDS)
        self._history.add(Unanswered(self._history.now(), command, why))
        return False

    def _begin(self, action: str, subject: str, number: int, words: str = "") -> str:
        self._number += 1
        command = f"{self._model}-{self._number}"
        self._history.add(Sent(self._history.now(), command, action, subject, number, words))
        return command


def list_changes(ask: Callable[[str], dict[str, object]]) -> dict[str, str]:
    """Return the state of every change by its id; `ask` returns the document at an API path."""
    found: dict[str, str] = {}
    path: object = "/api/v1/changes?limit=200"
    while path:
        page = ask(str(path))
        items = page["items"]
        if isinstance(items, list):
            found |= {each["id"]: each["state"] for each in items}
        path = page["next"]
    return found


def get_document(url: str, token: str) -> dict[str, object]:
    """Return a document of the API; raises OSError."""
    request = Request(url, headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=ANSWER_SECONDS) as answer:
        document: dict[str, object] = json.load(answer)
    return document


def _post(url: str, headers: Mapping[str, str], body: object) -> tuple[int, dict[str, Any]]:
    request = Request(url, json.dumps(body).encode(), dict(headers))
    try:
        with urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, {}
    except (ValueError, HTTPException) as error:
        raise OSError(f"the answer is cut off: {error}") from error


def _look(_done: int, _total: int) -> None:
    """Ignore the progress of an upload."""
