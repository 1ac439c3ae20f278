"""The examination of a server: what it keeps of requests, and whether all get equal answers."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Final

from client_sim.lab.errors import EnvironmentFailedError
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.canaries import Canaries
from client_sim.lab.server_side.equal_answers import (
    Question,
    Said,
    find_paths,
    hide_date,
    judge_alike,
    judge_headers,
    judge_pairs,
    plan_habits,
    plan_questions,
)
from client_sim.lab.server_side.exchange import Sender
from client_sim.lab.server_side.inputs import Check, Order, Seams, ServerVerdict, Site, plan_sources
from client_sim.lab.server_side.places import list_files, load_sizes
from client_sim.lab.server_side.positions import PATH, request
from client_sim.lab.server_side.search import Search, check_places, judge_growth

_KEPT: Final = 1000  # findings kept for each check; all are counted
_EACH: Final = 3  # findings kept for each file
_STEADY: Final = 3  # attempts to compare two servers in the same state, if one publishes meanwhile
_STARTING: Final = 60.0  # seconds that a server may take to restart
_GZIP: Final = b"Accept-Encoding: gzip"


def examine_server(order: Order, seams: Seams, canaries: Canaries | None = None) -> ServerVerdict:
    """Examine a server from the first request to the last search.

    `canaries` may be those of another server with the same host name; without them, new ones are
    drawn. Raise EnvironmentFailedError if the server, a file or a metrics page cannot be reached.
    """
    sources = plan_sources(order.site, order.sources, seams.entropy)
    host = order.site.host.encode()
    # Requests before the first search come from the last address and planted ones from the first,
    # so that the server does not know the first address yet.
    scout = Sender(order.site, sources[-1:], order.patience)
    scout.require_answer(request(_GZIP, host=host))
    check_places(order.places)
    paths = tuple(dict.fromkeys((*find_paths(host, scout.get), *order.paths)))
    questions = tuple(plan_questions(host, paths))
    if canaries is None:
        seams.note("drawing canaries")
        canaries = Canaries(host, paths, seams.entropy, tls=order.site.tls, layers=order.layers)
    seams.note("reading the files before any request")
    search = Search(order.places, canaries.sieve)
    sender = Sender(order.site, sources, order.patience)
    growth = _check_growth(order, sender, seams)
    sender.peers.clear()
    answers = sender.send(canaries.planted, lambda: seams.note("sending planted requests"))
    ends = tuple(sender.peers)
    seams.sleep(order.settle)
    seams.note("searching")
    search.look(ends)  # before other requests replace these in a ring buffer
    seams.note("sending equal requests from several addresses")
    said, unlike = _ask_everywhere(sender, questions)
    others = tuple(_check_others(order, sender, questions, seams))
    seams.sleep(order.settle)
    seams.note("searching")
    search.look(ends)
    heard = dict.fromkeys(hide_date(answer) for answer in (*answers, *(s.answer for s in said)))
    return ServerVerdict(
        host=order.site.host,
        requests=len(sender.peers) + growth.cases,
        positions=len(canaries.planted),
        files=search.files,
        checks=(
            _check("answers", _ANSWERS, len(answers), search.judge_answers(heard)),
            _check("files", _FILES, search.files, search.in_files),
            _check("metrics", _METRICS, len(order.places.metrics), search.in_metrics),
            growth,
            _check("headers", _HEADERS, len(said), judge_headers(said)),
            _check("alike", _ALIKE, len(said), unlike),
            *others,
        ),
        unseen=tuple(_list_unseen(order, sources)),
    )


_ALIKE: Final = "Do equal requests from all clients get the same bytes?"
_HEADERS: Final = "Is there no header that a client would send back?"
_ANSWERS: Final = "Does no answer and no error page repeat a request or its sender?"
_FILES: Final = "Is nothing of a request in changed files, databases and file names?"
_METRICS: Final = "Is nothing of a request in the metrics?"
_GROWTH: Final = "Does no file grow with the number of requests?"
_NODES: Final = "Does another node answer with the same bytes?"
_RESTART: Final = "Does the server answer with the same bytes after a restart?"


def _check(name: str, question: str, cases: int, findings: Iterable[Finding]) -> Check:
    found = tuple(findings)
    kept: dict[str, list[Finding]] = {}
    for finding in found:
        kept.setdefault(finding.where.partition(", ")[0], []).append(finding)
    shown = tuple(finding for own in kept.values() for finding in own[:_EACH])
    return Check(name, question, cases, len(found), shown[:_KEPT])


def _check_growth(order: Order, sender: Sender, seams: Seams) -> Check:
    """Compare file sizes around a batch of plain requests; a finding must be repeatable."""
    host = order.site.host.encode()
    batch = (request(_GZIP, host=host), request(path=PATH + b"?a", host=host))
    findings: tuple[Finding, ...] = ()
    for attempt in range(2):
        seams.note("counting bytes while plain requests are answered")
        before = load_sizes(list_files(order.places))
        start = seams.monotonic()
        for data, source in islice(
            zip(cycle(batch), cycle(sender.sources), strict=False), order.batch
        ):
            sender.get(data, source)
        seams.sleep(order.settle)
        after = load_sizes(list_files(order.places))
        seams.sleep(seams.monotonic() - start)
        idle = load_sizes(list_files(order.places))
        again = tuple(judge_growth(before, after, idle, order.batch))
        names = {finding.where for finding in findings}
        findings = tuple(f for f in again if attempt == 0 or f.where in names) or again[:0]
        if not findings:
            break
    return _check("growth", _GROWTH, order.batch, findings)


def _ask_everywhere(
    sender: Sender, questions: Sequence[Question]
) -> tuple[list[Said], tuple[Finding, ...]]:
    """Ask from every address; repeat if answers differ, because the server may have published."""
    habits = tuple(plan_habits(sender.site.host.encode()))
    said: list[Said] = []
    found: tuple[Finding, ...] = ()
    for _ in range(_STEADY):
        said = sender.ask_everywhere(questions)
        said += [Said(each.group, each.words, sender.get(each.data)) for each in habits]
        found = tuple(judge_alike(said))
        if not found:
            break
    return said, found


def _check_others(
    order: Order, sender: Sender, questions: Sequence[Question], seams: Seams
) -> Iterator[Check]:
    for other in order.against:
        seams.note(f"asking {other.address}:{other.port} the same")
        yield _check("nodes", _NODES, len(questions), _judge_node(sender, other, questions))
    if order.restart is not None:
        seams.note("waiting for a restart")
        here = sender.ask_all(questions)
        order.restart()
        _wait(sender, seams)
        names = ("it before the restart", "it after the restart")
        found = judge_pairs(here, sender.ask_all(questions), names)
        yield _check("restart", _RESTART, len(questions), found)


def _judge_node(sender: Sender, site: Site, questions: Sequence[Question]) -> tuple[Finding, ...]:
    """Compare two nodes; repeat if the first one changed meanwhile, for example by publishing."""
    other = Sender(site, sender.sources, sender.patience)
    names = (sender.site.host, f"{site.address}:{site.port}")
    found: tuple[Finding, ...] = ()
    for _ in range(_STEADY):
        here, there = sender.ask_all(questions), other.ask_all(questions)
        found = tuple(judge_pairs(here, there, names))
        if not found or not tuple(judge_pairs(here, sender.ask_all(questions), names)):
            break
    return found


def _wait(sender: Sender, seams: Seams) -> None:
    until = seams.monotonic() + _STARTING
    while True:
        try:
            sender.require_answer(request(_GZIP, host=sender.site.host.encode()))
        except EnvironmentFailedError:
            if seams.monotonic() > until:
                raise
            seams.sleep(0.05)
        else:
            return


def _list_unseen(order: Order, sources: Sequence[str]) -> Iterator[str]:
    yield "Memory of the server's processes, which is lost when they end."
    if not order.places.paths and not order.places.processes:
        yield "Files: give folders with --search, or a process with --pid."
    if not order.places.metrics:
        yield "Metrics: give the URL of the metrics page with --metrics."
    if len(set(sources)) < 2:
        yield "Answers to other addresses: give two addresses of this machine with --source."
    if not order.against:
        yield "Other nodes: give the URL of one with --against."
    if order.restart is None:
        yield "Files written when the server ends, and answers after a restart: use --restart."
