"""Examining a client against a real server over real sockets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.judging import judge_grammar
from client_sim.lab.programme.examine import APART, Run, examine
from client_sim.lab.programme.result import BatteryResult, ProgrammeResult
from client_sim.lab.scenarios.driving import POLL, Scenario, run_scenario
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.lab.trace.relay import Relay, check_answering
from client_sim.lab.trace.sockets import SocketWorld
from client_sim.persona import Persona
from client_sim.world import Factory, Public, RunningBuild

_KEPT: Final = 8  # findings shown
_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Target:
    """The server to poll: the name a phone knows, its port, and the address behind the name."""

    host: str
    port: int
    address: str


def plan_target(url: str, resolve: Mapping[str, str]) -> Target:
    """Read `http://HOST:PORT`; the name's address is that of `resolve`, else 127.0.0.1.

    An address in place of the name is refused: cookies and certificates behave differently there,
    so that a leak would not show.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise LabError(f"{url} is no URL ({error}): write http://HOST:PORT") from error
    if parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise LabError(f"{url} is not of the form http://HOST:PORT, which is all the lab can do")
    if _is_address(host) or not _HOST.fullmatch(host):
        raise LabError(
            f"{host or url} is no host name: give the server a name and map it with --resolve"
        )
    return Target(host, port, resolve.get(host, "127.0.0.1"))


def plan_public(target: Target, root: bytes, *, codename: str, region: str, channel: str) -> Public:
    """Give the public facts of a phone that polls `target` and trusts `root`."""
    fingerprint = f"Hening/{codename}/{codename}:14/LAB/1:user/release-keys"
    return Public(
        host=target.host,
        port=target.port,
        tls=False,
        codename=codename,
        region=region,
        channel=channel,
        root=root,
        ota_certificate=b"",
        built_at=0,
        build=RunningBuild(fingerprint, "1", 1, 0, "1970-01-01"),
    )


def plan_start(now: float, scenario: Scenario, personas: int) -> float:
    """Give the start of a scenario that is over at `now`, so that nothing expires during it.

    A server signs its timestamp for a day; a phone whose clock is behind trusts it as well.
    """
    return now - scenario.longest - APART * personas


def examine_live(
    factory: Factory,
    target: Target,
    public: Public,
    personas: Sequence[Persona],
    scenario: Scenario,
    *,
    name: str,
    start: float,
    seed: int = 0,
) -> ProgrammeResult:
    """Examine a client against the server at `target`, recording both ends of each socket.

    A server that publishes while the runs go on makes later phones ask for more; then, and only
    then, a result that is not clean is taken a second time.
    """
    upstream = (target.address, target.port)
    check_answering(upstream)
    with Relay(upstream) as relay:

        def make_world(run: Run) -> SocketWorld:
            return SocketWorld(
                public,
                run.personal,
                entropy=Entropy(run.entropy),
                start=run.start,
                addresses={target.host: target.address},
                relay=relay,
            )

        def take() -> ProgrammeResult:
            return examine(
                factory,
                make_world,
                personas,
                scenario,
                name=name,
                start=start,
                profile="live",
                seed=seed,
            )

        result = take()
        if not result.is_clean and not result.answers_agree:
            result = take()
    traps = _check_traps(factory, public, personas[0], scenario, start)
    return replace(result, batteries=(*result.batteries, traps))


def _check_traps(
    factory: Factory, public: Public, persona: Persona, scenario: Scenario, start: float
) -> BatteryResult:
    """Let the client poll a hostile server in memory: a good one would never hand out a cookie."""
    world = MemoryWorld(public, persona, entropy=Entropy(b"traps"), start=start, respond=respond)
    seen = run_scenario(factory, world, scenario, persona)
    findings = judge_grammar(seen, public)
    return BatteryResult(
        oracle="traps",
        claim="N3",
        question="Does nothing come back that a hostile server hands out: cookie, validator, link?",
        cases=scenario.steps.count(POLL),
        runs=1,
        polls=scenario.steps.count(POLL),
        octets=sum(len(connection.octets) for connection in seen.connections()),
        findings=findings[:_KEPT],
        count=len(findings),
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
