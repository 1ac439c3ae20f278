"""The report about a cloud client: on a terminal, as JSON, and as a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from client_sim.lab.cloud.explanation import ExplainedRequest
from client_sim.lab.cloud.keyring import Part
from client_sim.lab.cloud.programme import CLAIMS, METHODS, Examination, list_thin
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.report.json import finding_to_dict, matrix_to_dict
from client_sim.lab.report.printable import dump, printable, say
from client_sim.pages.page import Origin, make_environment

_SHOWN: Final = 3
_LINE: Final = 48  # bytes shown of a part
_ENVIRONMENT: Final = make_environment(Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class CloudReport:
    """The content of a report; `servers` are the rows of leaky servers, and last the honest one."""

    client: str
    profile: str
    seed: int
    examination: Examination
    matrix: Matrix | None = None
    servers: tuple[MatrixRow, ...] = ()

    @property
    def wrong(self) -> tuple[str, ...]:
        """The deficiencies of the instrument, as sentences."""
        found: list[str] = []
        if self.matrix is not None:
            found += [
                f"{each} was found by fewer than two methods" for each in list_thin(self.matrix)
            ]
            found += [f"{row.id} is harmless but was accused" for row in self.matrix.alarmed]
        for row in self.servers:
            if bool(row.killed_by) == (row.id == "honest"):
                found.append(f"the server {row.id} was judged wrongly")
        return tuple(found)

    @property
    def is_good(self) -> bool:
        """Whether the client is clean and the instrument passed its own tests."""
        return self.examination.is_clean and not self.wrong


def report_to_dict(report: CloudReport) -> dict[str, Any]:
    """Return the report as JSON values."""
    examination = report.examination
    return {
        "client": report.client,
        "profile": report.profile,
        "seed": report.seed,
        "clean": examination.is_clean,
        "good": report.is_good,
        "lives": examination.runs,
        "requests": examination.requests,
        "octets": examination.size,
        "checks": [
            {
                "name": method,
                "claim": claim,
                "question": question,
                "cases": examination.cases.get(method, 0),
                "findings": [finding_to_dict(f) for f in examination.findings.get(method, ())],
            }
            for method, (claim, question) in METHODS.items()
        ],
        "wrong": list(report.wrong),
        "matrix": None if report.matrix is None else matrix_to_dict(report.matrix),
        "servers": {row.id: list(row.killed_by) for row in report.servers},
    }


def render_terminal(report: CloudReport, console: Console, origin: Origin) -> None:
    """Print the claims, findings with their bytes, tests of the instrument, and the verdict."""
    examination = report.examination
    say(console, f"{report.client} · profile {report.profile} · seed {report.seed}", "bold")
    say(console, str(origin), "dim")
    for claim, statement in CLAIMS.items():
        methods = [method for method, (of, _) in METHODS.items() if of == claim]
        broken = [method for method in methods if examination.findings.get(method)]
        sign, style = ("✗", "bold red") if broken else ("✓", "bold green")
        counts = ", ".join(f"{method} {examination.cases.get(method, 0)}" for method in methods)
        say(console, f"{sign} {statement} ({claim}): {counts}", style)
    for method, findings in examination.findings.items():
        for finding in findings[:_SHOWN]:
            say(console, f"{method}: {printable(finding.where)}: {printable(finding.explanation)}")
            shown = finding.data[finding.offset :][: min(finding.length, _LINE)]
            if shown:
                say(console, f"  {shown.hex(' ')}", "dim")
    if report.matrix is not None:
        found = len(report.matrix.rows) - len(report.matrix.survivors)
        say(console, f"{found} of {len(report.matrix.rows)} leaky clients were found.")
    if report.servers:
        found = sum(bool(row.killed_by) for row in report.servers)
        say(console, f"{found} of {len(report.servers) - 1} leaky servers were found.")
    for sentence in report.wrong:
        say(console, sentence, "bold red")
    run = (examination.runs, examination.requests, examination.size)
    numbers = "{:,} lives, {:,} requests, {:,} bytes".format(*run)
    verdict = "clean." if examination.is_clean else f"LEAK ({', '.join(examination.killed_by)})."
    say(console, f"{numbers}: {verdict}", "bold green" if report.is_good else "bold red")


def render_page(report: CloudReport, origin: Origin) -> str:
    """Render the self-contained page; apart from `origin`, the same report gives the same bytes."""
    claims = [
        (claim, statement, [(m, q) for m, (of, q) in METHODS.items() if of == claim])
        for claim, statement in CLAIMS.items()
    ]
    return _ENVIRONMENT.get_template("cloud.html").render(
        report=report,
        origin=origin,
        outcome=_describe_outcome(report),
        examination=report.examination,
        claims=claims,
        sample=_choose_sample(report.examination.sample),
        matrix=report.matrix,
        dump=_dump,
        show=_show,
        printable=printable,
    )


def _describe_outcome(report: CloudReport) -> tuple[str, str]:
    examination = report.examination
    client = "hening cloud backup" if report.client == "clean" else f"{report.client}, cloud backup"
    if examination.is_clean:
        return client, f"no leak found in {examination.runs:,} lives of phones"
    return client, f"leak found by {', '.join(examination.killed_by)}"


def _choose_sample(sample: Sequence[ExplainedRequest]) -> list[tuple[str, list[ExplainedRequest]]]:
    """Return the requests of each step up to the first sync, which sends the contacts."""
    found: dict[str, list[ExplainedRequest]] = {}
    for each in sample:
        found.setdefault(each.exchange.phase.partition(" ")[2], []).append(each)
        if len(found) > 1 and each.exchange.phase.endswith(" due"):
            break
    return [(phase, requests) for phase, requests in found.items() if phase != "due"]


def _show(part: Part) -> tuple[str, str]:
    """Return a part's first bytes in hexadecimal, and its decrypted content as text."""
    more = "…" if len(part.data) > _LINE else ""
    opened = part.plaintext.rstrip(b"\0\x80").decode("utf-8", "backslashreplace")
    return part.data[:_LINE].hex(" ") + more, printable(opened[:2000])


def _dump(finding: Finding) -> Iterator[Any]:
    yield from dump(finding.data, finding.offset, finding.length)
