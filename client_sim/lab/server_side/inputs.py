"""The inputs of a server examination, and its verdict on a terminal and as JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.json import finding_to_dict
from client_sim.lab.report.printable import render_findings
from client_sim.lab.server_side.places import Places

FRESH: Final = 6  # drawn loopback addresses; in 98 % of draws they differ in a given bit

_SHOWN: Final = 5  # findings of a check on a terminal; JSON has more


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, which passed if there are no findings.

    `cases` is how often the question was asked. `count` is the number of findings, of which
    `findings` has the first few.
    """

    name: str
    question: str
    cases: int
    count: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Site:
    """A server: `host` is the value of `Host`, `name` its TLS server name."""

    host: str
    name: str
    address: str
    port: int
    tls: bool

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine and can be reached from any address of 127/8."""
        return self.address == "localhost" or self.address.startswith("127.")


def plan_site(url: str, host: str | None = None) -> Site:
    """Read `http://ADDRESS:PORT` or `https://…`; `host` replaces the host name of the URL.

    Raise LabError for any other URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LabError(f"{url} is not a URL: write http://HOST:PORT") from None
    bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not bare or "@" in url:
        raise LabError(f"{url} is not http://HOST:PORT or https://HOST:PORT, with no path")
    tls = parts.scheme == "https"
    return Site(
        host=parts.netloc if host is None else host,
        name=parts.hostname if host is None else host.partition(":")[0],
        address=parts.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
    )


def plan_sources(site: Site, given: tuple[str, ...], entropy: Callable[[int], bytes]) -> list[str]:
    """Return the addresses to send from; the first one is for planted requests.

    These are the given addresses. The default on loopback is random ones, 127.0.0.1 and 127.0.0.2;
    elsewhere it is the empty string, with which the system chooses the address.
    """
    if given:
        return list(given)
    if not site.is_loopback:
        return [""]
    fresh = [str(IPv4Address(0x7F404040 | int.from_bytes(entropy(3), "big"))) for _ in range(FRESH)]
    return [*fresh, "127.0.0.1", "127.0.0.2"]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The dependencies of an examination; `note` receives its progress."""

    entropy: Callable[[int], bytes]
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    note: Callable[[str], None] = lambda _words: None


@dataclass(frozen=True, slots=True)
class ServerInputs:
    """The inputs of an examination: a server, its places, and the nodes to compare it with.

    - `restart` restarts the server and returns.
    - `settle` is the number of seconds to wait until the server has written its files.
    - `layers` is the number of transforms that are computed in advance.
    - `batch` is the number of plain requests for measuring the growth of files.
    """

    site: Site
    places: Places
    against: tuple[Site, ...] = ()
    restart: Callable[[], None] | None = None
    sources: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    settle: float = 1.0
    layers: int = 2
    batch: int = 240


@dataclass(frozen=True, slots=True)
class ServerVerdict:
    """The results of all checks of one server; `omissions` says what was not examined."""

    host: str
    requests: int
    positions: int
    files: int
    checks: tuple[Check, ...]
    omissions: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def failed(self) -> tuple[str, ...]:
        """Return the names of the checks that found something."""
        return tuple(check.name for check in self.checks if not check.passed)


def server_to_dict(verdict: ServerVerdict) -> dict[str, Any]:
    """Return the verdict as JSON values; bytes are hexadecimal."""
    return {
        "server": verdict.host,
        "clean": verdict.is_clean,
        "positions": verdict.positions,
        "requests": verdict.requests,
        "files": verdict.files,
        "checks": [
            {
                "name": check.name,
                "question": check.question,
                "passed": check.passed,
                "cases": check.cases,
                "count": check.count,
                "findings": [finding_to_dict(finding) for finding in check.findings],
            }
            for check in verdict.checks
        ],
        "not_looked_at": list(verdict.omissions),
    }


def render_server(verdict: ServerVerdict, console: Console) -> None:
    """Print one line per check, then findings with their bytes, then the omissions."""
    table = Table(title=Text(f"server {verdict.host}"), title_justify="left")
    table.add_column("check")
    table.add_column("question", ratio=1)
    table.add_column("cases", justify="right")
    table.add_column("result")
    for check in verdict.checks:
        if check.cases == 0:
            result = Text("not asked", "yellow")
        else:
            result = (
                Text("passed", "green") if check.passed else Text(f"{check.count} found", "red")
            )
        table.add_row(check.name, check.question, str(check.cases), result)
    console.print(table)
    for check in verdict.checks:
        render_findings(check.name, check.findings[:_SHOWN], console)
        if check.count > _SHOWN:
            console.print(Text(f"{check.name}: {check.count - _SHOWN} more", "bold"))
    console.print()
    for sentence in verdict.omissions:
        console.print(Text(f"Not examined: {sentence}"), soft_wrap=True)
    summary = f"{verdict.positions} positions, {verdict.requests} requests, {verdict.files} files: "
    if verdict.is_clean:
        tail = Text("the server kept nothing of any request.", "green")
    else:
        tail = Text(f"LEAK ({', '.join(verdict.failed())}).", "bold red")
    console.print(Text(summary) + tail, soft_wrap=True)
