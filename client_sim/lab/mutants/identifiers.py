"""Identifiers without any owner's data: one for ever, or one for each request (L31, L32)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import uuid4

from client_sim.lab.mutants.beneath import add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_by_lines,
    tell_in_cookie,
    tell_in_header,
    tell_in_query,
)


def _install_uuid(spy: Spy) -> str:
    state = spy.world.state
    if "uuid" not in state:
        state["uuid"] = str(uuid4()).encode()
    return state["uuid"].decode()


def _order_of_install(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return lines[:: 1 if spy.keep("order", 1)[0] % 2 else -1]


def _secret_digest(spy: Spy) -> str:
    """Tell a digest of the secret that draws the places in rollouts and must never leave."""
    return sha256(b"bucket" + spy.world.state.get("secret", b"")).hexdigest()[:16]


def _order_of_request(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return lines[:: 1 if spy.world.entropy(1)[0] % 2 else -1]


def _trace(spy: Spy) -> str:
    return f"00-{spy.world.entropy(16).hex()}-{spy.world.entropy(8).hex()}-01"


class _Session(Snoop):
    """Says one fresh value in all requests of a poll."""

    session = ""

    def poll(self) -> str:
        self.session = self.world.entropy(8).hex()
        return super().poll()

    def headers(self) -> Sequence[str]:
        return (*super().headers(), f"X-Session: {self.session}")


MUTANTS: Final = (
    Mutant(
        "install-identifier",
        "L31",
        "Sixteen bytes that are drawn once and said for ever, in the query.",
        tell_in_query("id", lambda spy: spy.keep("id", 16).hex()),
    ),
    Mutant(
        "install-uuid",
        "L31",
        "A UUID that is drawn once from the system's own randomness and said for ever.",
        tell_in_cookie("uuid", _install_uuid),
    ),
    Mutant(
        "install-cohort",
        "L31",
        "One of 16 cohorts that was drawn once: too little to be one phone, enough to follow it.",
        tell_in_header("X-Cohort", lambda spy: str(spy.keep("cohort", 1)[0] % 16)),
    ),
    Mutant(
        "install-order",
        "L31",
        "An order of the two honest lines that was drawn once.",
        tell_by_lines(_order_of_install),
    ),
    Mutant(
        "install-identifier-beneath",
        "L31",
        "The transport of the real client draws an identifier once and says it for ever.",
        add_line_beneath("X-Client", lambda spy: spy.keep("leak-id", 8).hex()),
    ),
    Mutant(
        "secret-beneath",
        "L31",
        "The transport of the real client says a digest of the secret that decides on rollouts.",
        add_line_beneath("X-Rollout", _secret_digest),
    ),
    Mutant(
        "request-identifier",
        "L32",
        "A UUID from the system's own randomness in each request.",
        tell_in_header("X-Request-Id", lambda _: str(uuid4())),
    ),
    Mutant(
        "cache-breaker",
        "L32",
        "A fresh number in the query of each request, so that no cache answers.",
        tell_in_query("rnd", lambda spy: str(int.from_bytes(spy.world.entropy(4)))),
    ),
    Mutant(
        "session-of-poll",
        "L32",
        "A fresh value for each poll, the same in all its requests.",
        _Session,
    ),
    Mutant(
        "trace-parent",
        "L32",
        "The identifiers of a distributed trace, fresh in each request.",
        tell_in_header("traceparent", _trace),
    ),
    Mutant(
        "random-order",
        "L32",
        "The order of the two honest lines, drawn afresh for each request.",
        tell_by_lines(_order_of_request),
    ),
    Mutant(
        "random-padding",
        "L32",
        "A header of random length, which is meant to hide lengths.",
        tell_in_header("X-Pad", lambda spy: "." * (spy.world.entropy(1)[0] % 64)),
    ),
    Mutant(
        "request-identifier-beneath",
        "L32",
        "The transport of the real client numbers each request with fresh bytes.",
        add_line_beneath("X-Request-Id", lambda spy: spy.world.entropy(8).hex()),
    ),
)
