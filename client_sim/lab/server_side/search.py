"""The search for planted values in all places: once after the requests, and once at the end."""

from collections.abc import Iterable, Iterator, Sequence

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_side.exchange import Peer
from client_sim.lab.server_side.pages import load_page
from client_sim.lab.server_side.peers import make_peer_sieve
from client_sim.lab.server_side.places import Places, find_changed, list_files, load_states
from client_sim.lab.server_side.processes import check_process
from client_sim.lab.server_side.searching import judge_bytes, judge_files
from client_sim.lab.server_side.sieve import Sieve


def check_places(places: Places) -> None:
    """Raise SurroundingsError where a place cannot be read, before anything is sent."""
    for pid in places.processes:
        check_process(pid)
    for url in places.metrics:
        load_page(url)


class Search:
    """Searches places for what was sent; what was there before the search was made is skipped.

    `files` is how many there were at the last look, `in_files` and `in_metrics` what was found.
    """

    def __init__(self, places: Places, canaries: Sieve) -> None:
        self.in_files: list[Finding] = []
        self.in_metrics: list[Finding] = []
        self._places = places
        self._sieves = [canaries]
        self._listed = list_files(places)
        self._states = load_states(self._listed)
        self.files = len(self._states)

    def look(self, ends: Sequence[Peer]) -> None:
        """Look through what has changed; `ends` are the client's ends of the connections."""
        if len(self._sieves) == 1:
            self._sieves.append(make_peer_sieve(ends))
        ports = frozenset(port for _, port in ends)
        # Files that a process held before its restart are searched by their names.
        files = self._listed = self._listed | list_files(self._places)
        changed = find_changed(files, self._states)
        self._states = load_states(files)
        self.files = len(files)
        _extend(self.in_files, judge_files(changed, self._sieves, ports))
        for url in self._places.metrics:
            _extend(self.in_metrics, judge_bytes(url, load_page(url), self._sieves))

    def judge_answers(self, answers: Iterable[bytes]) -> Iterator[Finding]:
        """Find values in answers."""
        for number, answer in enumerate(answers, 1):
            yield from judge_bytes(f"distinct answer {number}", answer, self._sieves)


def _extend(found: list[Finding], more: Iterable[Finding]) -> None:
    known = {finding.explanation for finding in found}
    found += [finding for finding in more if finding.explanation not in known]
