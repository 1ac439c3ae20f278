"""What is asked of every single run, whatever it was made for."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles import judging
from client_sim.lab.oracles.again import judge_again
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.connections import judge_ends, judge_tls, judge_writes
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import Judge
from client_sim.lab.programme.setting import Setting
from client_sim.lab.trace.observation import Observation
from client_sim.persona import Persona, canaries
from client_sim.world import Public

QUESTIONS: Final = {
    "completes": "Does every poll reach the server, and does the client survive the run?",
    "grammar": "Is every byte in the request table?",
    "again": "Is nothing asked for again that came whole and was accepted?",
    "schedule": "Is there silence between polls, and is each interval one that a phone may draw?",
    "canaries": "Is any planted value to be found, through encodings, digests and compression?",
    "tripwire": "Does polling leave the owner's data unread?",
    "writes": "Is each request one write, and under TLS one record?",
    "ends": "Does each connection end in order, and never by a reset?",
    "tls": "Does TLS name one host and one protocol, and come back to no session?",
    "egress": "Is the host of the ROM image the only one asked for and talked to?",
}
"""The guards by name, which is their column in the kill matrix."""

CANARIES: Final = "canaries"

GUARDS: Final[Mapping[str, Callable[[Observation, Public], tuple[Finding, ...]]]] = {
    "completes": judging.judge_completion,
    "grammar": judging.judge_grammar,
    "again": lambda observation, _public: judge_again(observation),
    "schedule": lambda observation, _public: judging.judge_schedule(observation),
    "tripwire": lambda observation, _public: judging.judge_reads(observation),
    "writes": lambda observation, _public: judge_writes(observation),
    "ends": lambda observation, _public: judge_ends(observation),
    "tls": judge_tls,
    "egress": judging.judge_egress,
}
"""The guards that need a run and its phone alone; the search for canaries needs the owner, too."""


def judge_canaries(observation: Observation, setting: Setting, layers: int) -> tuple[Finding, ...]:
    """Search one run for its owner's values, so many layers deep."""
    search = _deep_search(setting.personal, layers) if layers else _plain_search(setting.personal)
    return judging.judge_canaries(observation, search)


def judge_of(oracle: str, setting: Setting, layers: int) -> Judge:
    """Return the judge that asks one guard about the run of a setting."""

    def judge(seen: Sequence[Observation]) -> tuple[Finding, ...]:
        if oracle == CANARIES:
            return judge_canaries(seen[0], setting, layers)
        return GUARDS[oracle](seen[0], setting.public)

    return judge


# Few owners are searched for deeply, which takes a second each; nearly all of them plainly.
@lru_cache(maxsize=16)
def _plain_search(persona: Persona) -> CanarySearch:
    return CanarySearch(canaries(persona), 0)


@lru_cache(maxsize=24)  # batteries begin with the same owners
def _deep_search(persona: Persona, layers: int) -> CanarySearch:
    return CanarySearch(canaries(persona), layers)
