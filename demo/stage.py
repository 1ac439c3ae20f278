"""The environment of the story: a folder, the three programs, and servers on loopback."""

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from client_sim.transport import encode_request

TIMESTAMP = "/metadata/timestamp.json"
HOST = "updates.hening.example"
PASSPHRASE = "demo-only-passphrase"  # noqa: S105 - the demo's keys live and die with var/demo
PATIENCE_SECONDS = 300.0  # a limit for hanging programs, long enough for a busy machine
STAY_IN = """
import os, sys
OUT = ("socket.connect", "socket.send", "socket.getaddrinfo", "socket.gethost",
       "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system")
def stay_in(event, _):
    if event.startswith(OUT):
        os.write(2, f"{event}: a question is answered without a network".encode())
        os._exit(70)
sys.addaudithook(stay_in)
"""
"""Python code that ends a program at its first network access or child process."""


class StageError(Exception):
    """A command failed; the message contains its output."""


class Stage:
    """The demo's folder, and the programs that use it.

    `port` is that of the device plane, `dialects` that for existing Updater apps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_state = folder / "server"
        self.keys = folder / "keys"
        self.repo = folder / "signer"
        self.packages = folder / "packages"
        self.incoming = self.server_state / "incoming"
        self.port = 0
        self.dialects = 0
        self._server: subprocess.Popen[str] | None = None
        self._clouds: list[subprocess.Popen[str]] = []

    def signer(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        """Run hening-signer with --json and return its decoded output."""
        return self._run("signer.cli", "hening-signer", *arguments, "--json")

    def server(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        """Run hening-server and return its output, decoded if it is JSON."""
        return self._run("server.cli", "hening-server", *arguments)

    def device(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        """Run hening-device and return its output, decoded if it is JSON."""
        return self._run("client_sim.cli", "hening-device", *arguments)

    def ask(self, *arguments: str | Path) -> Any:  # noqa: ANN401 - JSON
        """Run hening-device like `device`, but end it at its first network access."""
        return self._run("client_sim.cli", "hening-device", *arguments, before=STAY_IN)

    def speak_dialects(self) -> None:
        """Enable dialects of existing Updater apps; the server serves them from its next start."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.dialects = free.getsockname()[1]
        address = f"127.0.0.1:{self.dialects}"
        (self.server_state / "settings.toml").write_text(
            f'[compat]\nlisten = "{address}"\npublic_url = "http://{address}"\n'
            'dialects = ["lineage1", "graphene", "custota"]\n'
            '[compat.devices]\narmani = "armani"\n'
            '[compat.channels]\nnightly = { region = "id", channel = "stable" }\n'
        )

    def start_server(self, *options: str, before: str = "") -> None:
        """Start `hening-server run` on a free port and wait until it prints its address.

        `before` is Python code that the program runs first.
        """
        state = ["--state", str(self.server_state), "--port", "0"]
        command = [*_python("server.cli", before), "run", *state, *options]
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()
            )
        line = self._server.stdout.readline() if self._server.stdout else ""
        if not line.startswith("http://"):
            raise StageError(f"the server did not start; see {self.folder / 'server.log'}")
        self.port = int(line.strip().rpartition(":")[2])

    def start_cloud(self, region: str, *options: str | Path) -> str:
        """Start `hening-server cloud run` on a free port; return its address."""
        command = [*_python("server.cli"), "cloud", "run", *map(str, options), "--port", "0"]
        environment = {**_environment(), "HENING_CLOUD_SIGN_UP": "open"}
        with (self.folder / f"cloud-{region}.log").open("ab") as log:
            cloud = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        self._clouds.append(cloud)
        line = cloud.stdout.readline() if cloud.stdout else ""
        if not line.startswith("http://"):
            raise StageError(f"the cloud did not start; see {self.folder}/cloud-{region}.log")
        return line.strip()

    def stop_server(self) -> None:
        """Stop the servers as an operator would, with SIGTERM."""
        for cloud in self._clouds:
            cloud.terminate()
            cloud.wait(PATIENCE_SECONDS)
            if cloud.stdout:
                cloud.stdout.close()
        self._clouds.clear()
        if self._server is not None:
            self._server.terminate()
            self._server.wait(PATIENCE_SECONDS)
            if self._server.stdout:
                self._server.stdout.close()
            self._server = None

    def wait_for_results(self, count: int) -> list[dict[str, Any]]:
        """Wait until the server has answered `count` submissions in total and serves the results.

        Return all results; raises StageError after the time limit.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            files = sorted((self.server_state / "results").glob("[0-9a-f]*.json"))
            if len(files) >= count and (self._server is None or self._is_served()):
                return [json.loads(file.read_text()) for file in files]
            time.sleep(0.05)
        raise StageError("the server did not answer a submission; see server.log")

    def _is_served(self) -> bool:
        """Return whether phones receive the last published timestamp; results may come earlier."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as wire:
            wire.sendall(encode_request(f"{HOST}:{self.port}", TIMESTAMP))
            answer = HTTPResponse(wire)
            answer.begin()
            served = answer.read()
        if answer.headers["Content-Encoding"] == "gzip":
            served = gzip.decompress(served)
        return served == (self.server_state / "public" / TIMESTAMP[1:]).read_bytes()

    def wait_for_published(self, count: int) -> None:
        """Wait for `count` results in total; raises StageError if one of them is a refusal."""
        for result in self.wait_for_results(count):
            if result["status"] != "published":
                raise StageError(f"the server refused a submission: {result['reason']}")

    def _run(self, module: str, name: str, *arguments: str | Path, before: str = "") -> Any:  # noqa: ANN401 - JSON
        done = subprocess.run(
            [*_python(module, before), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        if done.returncode != 0:
            raise StageError(f"{name} {arguments[0]}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout


def _python(module: str, before: str = "") -> list[str]:
    program = f"{before}import sys; from {module} import main; sys.exit(main())"
    return [sys.executable, "-c", program]


def _environment() -> dict[str, str]:
    return {**os.environ, "HENING_SIGNER_PASSPHRASE": PASSPHRASE}
