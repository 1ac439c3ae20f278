"""Time a release and a halt over HTTP: from the request to the API until a device node shows it.

    python -m benchmarks.publish_api [--models 400] [--releases 4] [--entries 20000] [--rounds 20]

`hening-server run` is a separate process, with a state of many models with three channels each.
One client submits a signed role, or halts a channel, as a team's tools do. Another client requests
the timestamp from the device plane until it changes, which ends the time. The peer, in the same
run, is python-tuf's client, which verifies the roles that a phone with factory settings verifies.
"""

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.big_state import CHANNELS, BigState, make_big_state, size_parser
from benchmarks.tuf_peer import verify_alone
from server.core.bundle import BlobFile, Bundle, RoleFile, encode_bundle

TIMESTAMP = "/metadata/timestamp.json"
ASK_SECONDS = 0.005  # between two requests to the device plane
SERVER = "from server.cli import main; main()"


class Team:
    """A client with a token, and a connection to each of the server's two ports."""

    def __init__(self, device: str, api: str, token: str) -> None:
        self._device = http.client.HTTPConnection(urlsplit(device).netloc)
        self._api = http.client.HTTPConnection(urlsplit(api).netloc)
        self._prefix = urlsplit(api).path
        self._token = token

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Mapping[str, object]:
        """Send a request to the API and return the response; exit with the error if it fails."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        self._api.request(method, self._prefix + path, body, headers)
        response = self._api.getresponse()
        answer: dict[str, object] = json.loads(response.read())
        if response.status >= 300:
            sys.exit(str(answer))
        return answer

    def see(self, path: str) -> bytes:
        """Request a path from the device plane and return the body; exit if it fails."""
        self._device.request("GET", path)
        response = self._device.getresponse()
        data = response.read()
        if response.status != 200:
            sys.exit(f"{path} is answered with {response.status}")
        return data

    def until_changed(self, act: Callable[[], object]) -> tuple[float, float]:
        """Return the seconds from the start of `act` to the timestamp's change, and to its end."""
        before, ended = self.see(TIMESTAMP), [0.0]
        begin = time.perf_counter()

        def work() -> None:
            act()
            ended[0] = time.perf_counter() - begin

        acting = threading.Thread(target=work)
        acting.start()
        while self.see(TIMESTAMP) == before:
            time.sleep(ASK_SECONDS)
        seen = time.perf_counter() - begin
        acting.join()
        return seen, ended[0]


def hand_in(team: Team, codename: str, version: int, data: bytes) -> None:
    """Submit one role and wait until the API reports it as published."""
    role = RoleFile(codename, version, hashlib.sha256(data).hexdigest(), len(data))
    identity, listing = encode_bundle(Bundle(roles=[role], blobs=list[BlobFile]()))
    path = f"/submissions/{identity}"
    state = team.ask("PUT", path, listing + data, "application/vnd.hening.submission")
    while state["status"] == "waiting":
        state = team.ask("GET", f"{path}?wait=30")
    if state["status"] != "published":
        sys.exit(str(state))


def halt(team: Team, codename: str) -> None:
    """Halt one channel."""
    path = f"/channels/{codename}/{CHANNELS[0]}/halt"
    team.ask("POST", path, b'{"reason": {"en": "It drains."}}')


def hening(*arguments: str) -> str:
    """Run a command of the server and return its output."""
    command = [sys.executable, "-c", SERVER, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return done.stdout.strip()


@contextlib.contextmanager
def running(state: BigState) -> Iterator[Team]:
    """Run the server with its API; yield a client with an engineer's token."""
    folder = ("--state", str(state.folder.root))
    hening("account", "add", "bench", "--role", "engineer", "--all-codenames", *folder)
    token = hening("token", "create", "bench", "--label", "bench", *folder)
    command = [sys.executable, "-c", SERVER, "run", *folder, "--port", "0", "--api-port", "0"]
    with subprocess.Popen(  # noqa: S603 - ours
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        if process.stdout is None:
            sys.exit("the server says nothing")
        device, api = (process.stdout.readline().strip() for _ in range(2))
        try:
            yield Team(device, api, token)
        finally:
            process.terminate()


def measure(state: BigState, rounds: int) -> tuple[list[tuple[float, float]], ...]:
    """Return for each release and each halt the seconds until it is visible and until it ends."""
    submits, halts = [], []
    with running(state) as team:
        team.until_changed(lambda: halt(team, state.codenames[0]))
        for number in range(rounds):
            codename = state.codenames[1 + number % (len(state.codenames) - 1)]
            version = 2 + number // (len(state.codenames) - 1)
            data = asyncio.run(state.next_role(codename, version))
            submits.append(
                team.until_changed(
                    lambda name=codename, v=version, d=data: hand_in(team, name, v, d)
                )
            )
            if team.see(f"/metadata/{version}.{codename}.json") != data:
                sys.exit("the device plane answers with another role")
            halts.append(team.until_changed(lambda name=codename: halt(team, name)))
    return submits, halts


def report(what: str, times: list[tuple[float, float]], peer: float) -> None:
    """Print the medians and the maxima."""
    seen, answered = (sorted(each) for each in zip(*times, strict=True))
    middle = statistics.median(seen)
    print(
        f"{what:10} visible after {middle:.3f} s, {middle / peer:.1f} times the peer; worst"
        f" {seen[-1]:.3f} s, of {len(seen)}; its last answer after"
        f" {statistics.median(answered):.3f} s, worst {answered[-1]:.3f} s"
    )


def main() -> None:
    """Run the measurement."""
    parser = size_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        state = asyncio.run(
            make_big_state(Path(place), chosen.models, chosen.releases, chosen.entries, print)
        )
        load = os.getloadavg()[0]
        submits, halts = measure(state, chosen.rounds)
        peer = statistics.median(verify_alone(state, state.codenames[1]) for _ in range(5))
    print(f"{chosen.models * len(CHANNELS)} pointers, {chosen.entries} entries in the log's past")
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    print(f"peer: python-tuf verifies six roles in {peer:.3f} s")
    report("a release", submits, peer)
    report("a halt", halts, peer)


if __name__ == "__main__":
    main()
