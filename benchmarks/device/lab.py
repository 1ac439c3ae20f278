"""The testbed of the scenarios: a site, its servers, and the number and length of the runs."""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.device.certificate import Certificate, make_certificate
from benchmarks.device.content import write_content
from benchmarks.device.hening import running_hening
from benchmarks.device.load.spec import Spec
from benchmarks.device.measured import Measured
from benchmarks.device.nginx import (
    DEFAULTS,
    PLAIN_SENDFILE,
    READING,
    TUNED,
    caching_nginx,
    static_nginx,
)
from benchmarks.device.phone import idle_poll
from benchmarks.device.process import Server, find
from benchmarks.device.python_peers import flask_gunicorn, granian, has_python_peers
from benchmarks.device.state import Site
from benchmarks.device.wire import phone_request

STATIC = {
    "nginx": PLAIN_SENDFILE,
    "nginx, tcp_nopush": TUNED,
    "nginx, sendfile off": READING,
    "nginx, its defaults": DEFAULTS,
    "nginx, 2 processes": PLAIN_SENDFILE,
}
PROCESSES = {"nginx, 2 processes": 2}  # processes that answer; other servers have one
LOAD_SECONDS = 300.0  # timeout of a load: longer than any that does not hang
_ROOT = Path(__file__).parents[2]


@dataclass
class Lab:
    """A published site, and the servers that serve it.

    `seconds` is the length of one run of a load, `rounds` the number of its runs. `scale` makes the
    big scenarios smaller; the goals are for 1. `missing` has the peers that are not installed.
    `known` has values that scenarios share. `poll_paths` are the paths of a phone's poll, recorded
    from the first hening server.
    """

    site: Site
    folder: Path
    seconds: float
    rounds: int
    scale: float
    tell: Callable[[str], None]
    missing: list[str] = field(default_factory=list)
    known: dict[str, float] = field(default_factory=dict)
    poll_paths: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def place(self, name: str) -> Path:
        """Return a new path in the benchmark's folder."""
        return self.folder / f"{next(self._numbers)}-{name}"

    @contextlib.contextmanager
    def hening(
        self,
        *,
        workers: int = 1,
        cores: tuple[int, ...] = (0,),
        certificate: Certificate | None = None,
    ) -> Iterator[Server]:
        """Run hening's server with the site."""
        log = self.place("hening.log")
        with running_hening(
            self.site.state.folder.root, log, workers=workers, cores=cores, certificate=certificate
        ) as server:
            if certificate is None:
                self.poll_paths = self.poll_paths or idle_poll(server.port)
            yield server

    def poll(self, server: Server) -> list[str]:
        """Return the requests to `server` of a phone's poll that finds nothing new."""
        return [phone_request(server.port, path).decode() for path in self.poll_paths]

    def start(self, stack: ExitStack, *names: str) -> dict[str, Server]:
        """Start hening and the installed peers among `names`; return them by name, hening first."""
        ours = {"hening": stack.enter_context(self.hening())}
        return ours | self.start_peers(stack, ours["hening"], *names)

    def start_tls(self, stack: ExitStack, *names: str) -> tuple[dict[str, Server], str]:
        """Start hening and nginx over TLS; return them by name, and their certificate's file."""
        with self.hening() as plain:  # content is requested without TLS
            self._write_content(plain)
        certificate = make_certificate(self.folder)
        servers = {"hening": stack.enter_context(self.hening(certificate=certificate))}
        for name in () if self._is_missing("nginx") else names:
            place = self.place("nginx")
            if name in STATIC:
                root = self.folder / "nginx"
                opened = static_nginx(name, STATIC[name], root, place, certificate=certificate)
            else:
                upstream = servers["hening"].port
                opened = caching_nginx(name, upstream, place, certificate=certificate)
            servers[name] = stack.enter_context(opened)
        return servers, str(certificate.chain)

    def start_peers(self, stack: ExitStack, ours: Server, *names: str) -> dict[str, Server]:
        """Start the installed peers among `names`, with the content of `ours`."""
        servers = {}
        self._write_content(ours)
        for name in names:
            if name in STATIC:
                if self._is_missing("nginx"):
                    continue
                root, place = self.folder / "nginx", self.place("nginx")
                processes = PROCESSES.get(name, 1)
                opened = static_nginx(name, STATIC[name], root, place, processes=processes)
            elif name == "nginx cache before hening":
                if self._is_missing("nginx"):
                    continue
                opened = caching_nginx(name, ours.port, self.place("cache"))
            else:
                if not has_python_peers():
                    self._note(name)
                    continue
                opened = (granian if name == "granian" else flask_gunicorn)(self.folder)
            servers[name] = stack.enter_context(opened)
        return servers

    def run(self, module: str, spec: Spec) -> Measured:
        """Run a load to its end and return its result."""
        return finish(self.begin(module, spec))

    def begin(self, module: str, spec: Spec) -> "subprocess.Popen[bytes]":
        """Start a load; it writes its result to its standard output when it ends."""
        command = [sys.executable, "-m", f"benchmarks.device.load.{module}"]
        return subprocess.Popen(  # noqa: S603 - ours
            [*command, msgspec.json.encode(spec).decode()],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
        )

    def _write_content(self, ours: Server) -> None:
        if not (self.folder / "content.json").exists():
            write_content(self.site, ours.port, self.folder)

    def _is_missing(self, program: str) -> bool:
        if find(program) is None:
            self._note(program)
            return True
        return False

    def _note(self, name: str) -> None:
        if name not in self.missing:
            self.missing.append(name)
            self.tell(f"{name} is not installed, so nothing is compared with it")


def finish(load: "subprocess.Popen[bytes]") -> Measured:
    """Wait for a load and return its result; raises RuntimeError with its output if it failed."""
    try:
        output, errors = load.communicate(timeout=LOAD_SECONDS)
    except subprocess.TimeoutExpired:
        load.kill()
        output, errors = load.communicate()
    if load.returncode:
        raise RuntimeError(errors.decode(errors="replace")[-2000:])
    return msgspec.json.decode(output, type=Measured)
