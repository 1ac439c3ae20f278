"""A fleet's own server: `hening-server`, run as an operator runs it, on the fleet's clock."""

import json
import mmap
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from client_sim.fleet.builds import write_images
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.test_repository import BUILDS, Site, make_site, submit_site
from client_sim.fleet.twins import Twinning
from client_sim.fleet.workers import deferred_signals

_PUBLISH_TIMEOUT: Final = 120.0  # maximum seconds of a publication; long enough for a busy machine
_PAUSE: Final = 0.05
_FORM: Final = struct.Struct("<Q")


class OwnServer:
    """A server in the new folder `folder`; use it as a context manager, which stops the server.

    Raises EnvironmentFailedError if one of its commands fails.
    """

    def __init__(self, folder: Path, read_clock: Callable[[], float]) -> None:
        self._folder = folder
        self._state = folder / "server"
        self._read_clock = read_clock
        self._program = _find_program()
        self._process: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = ClockFile(folder / "clock", read_clock())
        self.url = ""
        self.root = b""
        self._channels: tuple[str, ...] = ()
        self._certificate = b""
        self._images: dict[str, dict[str, Path]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with deferred_signals():
            process, self._process = self._process, None
            if process is not None:
                process.terminate()
        if process is not None:
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self.clock.close()

    @property
    def pid(self) -> int:
        """The process id of the server's main process."""
        assert self._process is not None
        return self._process.pid

    def publish(self, models: int, package_size: int) -> None:
        """Make keys and models, start the server, and publish.

        Every phone is offered the last but one build. The clock is the machine's until the fleet
        begins to advance it.
        """
        self._run("init", "--state", str(self._state))
        public = (self._state / "keys" / "public.json").read_bytes()
        site = make_site(models, package_size, public, self._read_clock())
        root = self._folder / "1.root.json"
        root.write_bytes(site.root)
        self._run("init", "--state", str(self._state), "--root", str(root))
        self.root, self._channels = site.root, site.channels
        self._certificate = site.certificate
        self._images = write_images(site.builds, self._folder / "images")
        self._start(site)
        self.offer("--counter", str(BUILDS - 1), "--share", "100%")

    def twinning(self, every: int) -> Twinning:
        """Return a twinning in which the real update engine repeats one of `every` installs."""
        return Twinning(every, self._folder / "twins", self._images, self._certificate)

    def roll_out(self, stages: Sequence[str]) -> None:
        """Begin the rollout of the newest build by `stages`, each SHARE=HOLD or SHARE."""
        options = [word for stage in stages for word in ("--stage", stage)]
        self.offer("--counter", str(BUILDS), *options)

    def offer(self, *options: str) -> None:
        """Offer a build in every channel, like `hening-server rollout offer`."""
        self.clock.set(self._read_clock())
        # With --public-url the command waits until the server shows the offer to phones.
        state = ("--state", str(self._state), "--public-url", self.url, "--json")
        self._run("rollout", "offer", *self._channels, *options, *state)
        self.clock.set(self._read_clock())

    def _start(self, site: Site) -> None:
        bundle_id = submit_site(site, self._state / "incoming")
        self.clock.set(self._read_clock())
        command = [
            *(self._program, "run", "--state", str(self._state), "--port", "0"),
            *("--workers", "1", "--gate", "strict", "--unsafe-clock", str(self.clock.path)),
        ]
        with (self._folder / "server.log").open("ab") as log, deferred_signals():
            # Signals are deferred, so that no signal can leave an untracked server process.
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url.startswith("http://"):
            raise self._failed("did not start")
        result = self._state / "results" / f"{bundle_id}.json"
        deadline = time.monotonic() + _PUBLISH_TIMEOUT
        while not result.exists():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise self._failed("did not publish the fleet's models")
            self.clock.set(self._read_clock())
            time.sleep(_PAUSE)
        answer = json.loads(result.read_bytes())
        if answer["status"] != "published":
            raise EnvironmentFailedError(
                f"The fleet's own server refused its models: {answer['reason']}"
            )

    def _run(self, *words: str) -> None:
        result = subprocess.run(
            [self._program, *words], capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            message = (result.stderr.strip().splitlines() or ["it printed no message"])[-1]
            raise EnvironmentFailedError(f"hening-server {words[0]} failed: {message}")

    def _failed(self, problem: str) -> EnvironmentFailedError:
        return EnvironmentFailedError(
            f"The fleet's own server {problem}; its messages are in {self._folder / 'server.log'}."
        )


def _find_program() -> str:
    neighbour = Path(sys.executable).with_name("hening-server")
    found = str(neighbour) if neighbour.is_file() else shutil.which("hening-server")
    if found is None:
        raise EnvironmentFailedError("hening-server is not installed beside hening-device.")
    return found


class ClockFile:
    """A simulated clock in the new file `path`, which other processes can read."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        path.write_bytes(_FORM.pack(int(seconds * 1e6)))
        with path.open("r+b") as file:
            self._view = mmap.mmap(file.fileno(), _FORM.size)
        self.seconds = seconds

    def set(self, seconds: float) -> None:
        """Set the clock, epoch seconds; an earlier time is ignored."""
        self.seconds = max(self.seconds, seconds)
        _FORM.pack_into(self._view, 0, int(self.seconds * 1e6))

    def close(self) -> None:
        """Close the file."""
        self._view.close()
