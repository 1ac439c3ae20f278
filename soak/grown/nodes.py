"""The site's own programs: device, control and publisher nodes, the key process, and nginx."""

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from server.settings import Node as Kind
from server.storage.layout import StateFolder
from soak.grown.network import HOST, Machine
from soak.grown.program import LOOK_SECONDS, Program, answers
from soak.grown.store import S3
from soak.load import NAME
from soak.server_process import PROGRAM
from tests.fault_proxy import FaultProxy, run_fault_proxy

PHONES, API, METRICS = 8080, 8081, 9100
DISK = "64m"  # size of a node's disk; its state takes a few megabytes
KEEP_FREE = 1 << 20
RIGHT_SECONDS = 5.0  # that a fake clock shows the real time before it is removed
CLOCK_SECONDS = 30.0  # maximum wait for a restarted node; another fault can prevent readiness
EDGE = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
user root;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream nodes {{
        include {upstream};
    }}
    server {{
        listen {address}:{port};
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_pass_request_headers off;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header Accept-Encoding $http_accept_encoding;
            proxy_set_header Range $http_range;
            proxy_connect_timeout 1s;
            proxy_read_timeout 5s;
            proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """The settings that nodes share: database, S3 store, key process and public URL."""

    database_url: str
    store: str
    prefix: str
    key_id: str
    secret: str
    keys_socket: str
    public_url: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its program, its state on a separate disk, and the proxy between it and S3."""

    kind: Kind
    machine: Machine
    program: Program
    folder: StateFolder
    proxy: FaultProxy
    clock: Path
    thread: ThreadPoolExecutor
    """A thread in the machine's network namespace: the metrics are on loopback there."""

    @property
    def api(self) -> str:
        """The URL of the control plane."""
        return f"http://{self.machine.address}:{API}"

    def turn_clock(self, seconds: int) -> None:
        """Restart the node with a fake clock, then move that clock by `seconds`.

        Programs are three times slower with a fake clock, so it is used for this fault only.
        """
        self.clock.write_text("+0")
        self.program.kill()
        self.program.environment = _clock_of(self.clock)
        self.program.start()
        until = time.monotonic() + CLOCK_SECONDS
        while time.monotonic() < until and not self.program.is_ready():
            time.sleep(LOOK_SECONDS)
        self.clock.write_text(f"{seconds:+d}")

    def set_clock_right(self) -> None:
        """Set the fake clock to the real time, then restart the node without a fake clock."""
        self.clock.write_text("+0")
        time.sleep(RIGHT_SECONDS)
        self.program.kill()
        self.program.environment = {}
        self.program.start()

    def fill_disk(self) -> None:
        """Fill the disk of the state."""
        with contextlib.suppress(OSError), self._filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))

    def free_disk(self) -> None:
        """Free the disk space that `fill_disk` took."""
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.folder.root / "filler"


@contextlib.contextmanager
def make_node(kind: Kind, machine: Machine, place: Path, shared: Shared) -> Iterator[Node]:
    """Yield a node, not started, with an empty disk and settings; its proxy stops at the end."""
    root = place / machine.name
    root.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "state", str(root)], check=True
    )
    address = shared.store.removeprefix("http://").removesuffix(f":{S3}")
    with (
        run_fault_proxy(S3, host=address, listen=HOST) as proxy,
        ThreadPoolExecutor(1, initializer=machine.enter) as thread,
    ):
        values: dict[str, object] = {
            "node": kind.value,
            "host": machine.address,
            "port": PHONES,
            "gate": "edge",
            "metrics_port": METRICS,
            "keep_free": KEEP_FREE,
            "tree_url": f"s3://{shared.prefix}/shared",
            "blobs_url": f"s3://{shared.prefix}/blobs",
            "s3_endpoint": proxy.endpoint,
            "s3_key_id": shared.key_id,
            "s3_secret": shared.secret,
        }
        if kind is not Kind.DEVICE:
            values |= {
                "database_url": shared.database_url,
                "keys_socket": shared.keys_socket,
                "public_url": shared.public_url,
            }
        if kind is Kind.CONTROL:
            values |= {"api_host": machine.address, "api_port": API, "api_behind_proxy": True}
        file = root / "settings.toml"
        file.touch(0o600)
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        file.write_text("".join(lines))  # JSON and TOML encode such values alike
        command = [*PROGRAM, "run", "--state", str(root)]
        health = f"http://127.0.0.1:{METRICS}/readyz"
        program = Program(
            machine.name,
            machine,
            command,
            place / f"{machine.name}.log",
            lambda: thread.submit(answers, health).result(),
        )
        clock = place / f"{machine.name}.clock"
        yield Node(kind, machine, program, StateFolder(root), proxy, clock, thread)


def _clock_of(file: Path) -> Mapping[str, str]:
    """Return the environment in which a program's clock has the offset that `file` states.

    The monotonic clock and the times of files do not change.
    """
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def key_process(keys: Path, root: Path, place: Path) -> Program:
    """Return the process that has the online keys; its socket is `keys/socket` in `place`."""
    (place / "keys").mkdir(mode=0o700)
    socket = place / "keys" / "socket"
    command = [*PROGRAM, "keys", "serve", "--keys", str(keys), "--root", str(root)]
    command += ["--record", str(place / "keys" / "record"), "--socket", str(socket)]
    return Program("keys", None, command, place / "keys.log", socket.exists)


def make_edge(
    machine: Machine, nodes: Sequence[Machine], root: Path, place: Path
) -> tuple[Program, Program]:
    """Return nginx in front of the device nodes, and the agent that removes lagging nodes."""
    folder = place / "edge"
    folder.mkdir()
    addresses = [f"{each.address}:{PHONES}" for each in nodes]
    upstream = folder / "nodes.conf"
    upstream.write_text("".join(f"server {each};\n" for each in addresses))
    text = EDGE.format(folder=folder, upstream=upstream, address=machine.address, port=PHONES)
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder)]
    command += ["-c", str(folder / "nginx.conf")]
    url = f"http://{machine.address}:{PHONES}/metadata/timestamp.json"
    front = Program(machine.name, machine, command, place / "edge.log", lambda: answers(url))
    agent = [*PROGRAM, "edge", "--host", NAME, "--root", str(root), "--upstream", str(upstream)]
    agent += ["--reload", shlex.join([*command, "-s", "reload"])]
    agent += [word for each in addresses for word in ("--node", each)]
    log = place / "rotation.log"
    return front, Program("rotation", machine, agent, log, lambda: True)
