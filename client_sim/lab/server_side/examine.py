"""The examination of a server: what it keeps of requests, and whether all get equal answers."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Final

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.canaries import Canaries
from client_sim.lab.server_side.equal_answers import (
    Question,
    Reply,
    find_paths,
    hide_date,
    judge_equality,
    judge_headers,
    judge_pairs,
    plan_questions,
    plan_self_descriptions,
)
from client_sim.lab.server_side.exchange import Sender
from client_sim.lab.server_side.inputs import (
    Check,
    Dependencies,
    ServerInputs,
    ServerVerdict,
    Site,
    plan_sources,
)
from client_sim.lab.server_side.places import list_files, load_sizes
from client_sim.lab.server_side.positions import PATH, request
from client_sim.lab.server_side.search import Search, check_places, judge_growth

_KEPT: Final = 1000  # findings kept for each check; all are counted
_KEPT_PER_FILE: Final = 3  # findings kept for each file
_ATTEMPTS: Final = 3  # to compare two servers in the same state, if one publishes meanwhile
_STARTING: Final = 60.0  # seconds that a server may take to restart
_GZIP: Final = b"Accept-Encoding: gzip"


def examine_server(
    inputs: ServerInputs, dependencies: Dependencies, canaries: Canaries | None = None
) -> ServerVerdict:
    """Examine a server from the first request to the last search.

    `canaries` may be those of another server with the same host name; without them, new ones are
    drawn. Raise EnvironmentFailedError if the server, a file or a metrics page cannot be reached.
    """
    sources = plan_sources(inputs.site, inputs.sources, dependencies.entropy)
    host = inputs.site.host.encode()
    # Requests before the first search come from the last address and planted ones from the first,
    # so that the server does not know the first address yet.
    scout = Sender(inputs.site, sources[-1:])
    scout.require_answer(request(_GZIP, host=host))
    check_places(inputs.places)
    paths = tuple(dict.fromkeys((*find_paths(host, scout.get), *inputs.paths)))
    questions = tuple(plan_questions(host, paths))
    if canaries is None:
        dependencies.note("drawing canaries")
        canaries = Canaries(
            host, paths, dependencies.entropy, tls=inputs.site.tls, layers=inputs.layers
        )
    dependencies.note("reading the files before any request")
    search = Search(inputs.places, canaries.sieve)
    sender = Sender(inputs.site, sources)
    growth = _check_growth(inputs, sender, dependencies)
    sender.peers.clear()
    answers = sender.send(canaries.planted, lambda: dependencies.note("sending planted requests"))
    ends = tuple(sender.peers)
    dependencies.sleep(inputs.settle)
    dependencies.note("searching")
    search.scan(ends)  # before other requests replace these in a ring buffer
    dependencies.note("sending equal requests from several addresses")
    replies, unequal = _ask_from_all_sources(sender, questions)
    others = tuple(_check_others(inputs, sender, questions, dependencies))
    dependencies.sleep(inputs.settle)
    dependencies.note("searching")
    search.scan(ends)
    distinct = dict.fromkeys(
        hide_date(answer) for answer in (*answers, *(s.answer for s in replies))
    )
    return ServerVerdict(
        host=inputs.site.host,
        requests=len(sender.peers) + growth.cases,
        positions=len(canaries.planted),
        files=search.files,
        checks=(
            _check("answers", _ANSWERS, len(answers), search.judge_answers(distinct)),
            _check("files", _FILES, search.files, search.in_files),
            _check("metrics", _METRICS, len(inputs.places.metrics), search.in_metrics),
            growth,
            _check("headers", _HEADERS, len(replies), judge_headers(replies)),
            _check("alike", _EQUALITY, len(replies), unequal),
            *others,
        ),
        omissions=tuple(_list_omissions(inputs, sources)),
    )


_EQUALITY: Final = "Do equal requests from all clients get the same bytes?"
_HEADERS: Final = "Is there no header that a client would send back?"
_ANSWERS: Final = "Does no answer and no error page repeat a request or its sender?"
_FILES: Final = "Is nothing of a request in changed files, databases and file names?"
_METRICS: Final = "Is nothing of a request in the metrics?"
_GROWTH: Final = "Does no file grow with the number of requests?"
_NODES: Final = "Does another node answer with the same bytes?"
_RESTART: Final = "Does the server answer with the same bytes after a restart?"


def _check(name: str, question: str, cases: int, findings: Iterable[Finding]) -> Check:
    found = tuple(findings)
    by_file: dict[str, list[Finding]] = {}
    for finding in found:
        by_file.setdefault(finding.where.partition(", ")[0], []).append(finding)
    shown = tuple(
        finding for file_findings in by_file.values() for finding in file_findings[:_KEPT_PER_FILE]
    )
    return Check(name, question, cases, len(found), shown[:_KEPT])


def _check_growth(inputs: ServerInputs, sender: Sender, dependencies: Dependencies) -> Check:
    """Compare file sizes around a batch of plain requests; a finding must be repeatable."""
    host = inputs.site.host.encode()
    batch = (request(_GZIP, host=host), request(path=PATH + b"?a", host=host))
    findings: tuple[Finding, ...] = ()
    for attempt in range(2):
        dependencies.note("counting bytes while plain requests are answered")
        before = load_sizes(list_files(inputs.places))
        start = dependencies.monotonic()
        for data, source in islice(
            zip(cycle(batch), cycle(sender.sources), strict=False), inputs.batch
        ):
            sender.get(data, source)
        dependencies.sleep(inputs.settle)
        after = load_sizes(list_files(inputs.places))
        dependencies.sleep(dependencies.monotonic() - start)
        idle = load_sizes(list_files(inputs.places))
        again = tuple(judge_growth(before, after, idle, inputs.batch))
        names = {finding.where for finding in findings}
        findings = tuple(f for f in again if attempt == 0 or f.where in names) or again[:0]
        if not findings:
            break
    return _check("growth", _GROWTH, inputs.batch, findings)


def _ask_from_all_sources(
    sender: Sender, questions: Sequence[Question]
) -> tuple[list[Reply], tuple[Finding, ...]]:
    """Ask from every address; repeat if answers differ, because the server may have published."""
    self_descriptions = tuple(plan_self_descriptions(sender.site.host.encode()))
    replies: list[Reply] = []
    found: tuple[Finding, ...] = ()
    for _ in range(_ATTEMPTS):
        replies = sender.ask_from_all_sources(questions)
        replies += [
            Reply(each.group, each.words, sender.get(each.data)) for each in self_descriptions
        ]
        found = tuple(judge_equality(replies))
        if not found:
            break
    return replies, found


def _check_others(
    inputs: ServerInputs, sender: Sender, questions: Sequence[Question], dependencies: Dependencies
) -> Iterator[Check]:
    for other in inputs.against:
        dependencies.note(f"asking {other.address}:{other.port} the same")
        yield _check("nodes", _NODES, len(questions), _judge_node(sender, other, questions))
    if inputs.restart is not None:
        dependencies.note("waiting for a restart")
        first_answers = sender.ask_all(questions)
        inputs.restart()
        _wait_for_restart(sender, dependencies)
        names = ("it before the restart", "it after the restart")
        found = judge_pairs(first_answers, sender.ask_all(questions), names)
        yield _check("restart", _RESTART, len(questions), found)


def _judge_node(sender: Sender, site: Site, questions: Sequence[Question]) -> tuple[Finding, ...]:
    """Compare two nodes; repeat if the first one changed meanwhile, for example by publishing."""
    other = Sender(site, sender.sources)
    names = (sender.site.host, f"{site.address}:{site.port}")
    found: tuple[Finding, ...] = ()
    for _ in range(_ATTEMPTS):
        first_answers, second_answers = sender.ask_all(questions), other.ask_all(questions)
        found = tuple(judge_pairs(first_answers, second_answers, names))
        if not found or not tuple(judge_pairs(first_answers, sender.ask_all(questions), names)):
            break
    return found


def _wait_for_restart(sender: Sender, dependencies: Dependencies) -> None:
    until = dependencies.monotonic() + _STARTING
    while True:
        try:
            sender.require_answer(request(_GZIP, host=sender.site.host.encode()))
        except EnvironmentFailedError:
            if dependencies.monotonic() > until:
                raise
            dependencies.sleep(0.05)
        else:
            return


def _list_omissions(inputs: ServerInputs, sources: Sequence[str]) -> Iterator[str]:
    yield "Memory of the server's processes, which is lost when they end."
    if not inputs.places.paths and not inputs.places.processes:
        yield "Files: give folders with --search, or a process with --pid."
    if not inputs.places.metrics:
        yield "Metrics: give the URL of the metrics page with --metrics."
    if len(set(sources)) < 2:
        yield "Answers to other addresses: give two addresses of this machine with --source."
    if not inputs.against:
        yield "Other nodes: give the URL of one with --against."
    if inputs.restart is None:
        yield "Files written when the server ends, and answers after a restart: use --restart."
