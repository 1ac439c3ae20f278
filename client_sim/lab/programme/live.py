"""Examination of a client against a real server over real sockets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from client_sim.lab.errors import LabError
from client_sim.lab.programme.batteries import fleet, machines, personal, servers, timing
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.execute import OnProgress, run_batteries
from client_sim.lab.programme.plan import Plan, Profile
from client_sim.lab.programme.result import ProgrammeResult
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import WEEK, Testbed, plan_testbed
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.servers.hostile import HOSTILE
from client_sim.lab.trace.memory import Responder
from client_sim.lab.trace.recording import is_address
from client_sim.lab.trace.sockets import check_answering
from client_sim.world import BuildFacts, Factory, Public

_SURVEYED: Final = 4  # surveyed phones for each pair of owners
_TRAPS: Final = 32  # hostile servers for each pair of owners
_LONGEST: Final = 30  # polls in the longest run
_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Target:
    """The server to poll: the host name that a phone knows, its port, and its address."""

    host: str
    port: int
    address: str


def plan_target(url: str, resolve: Mapping[str, str]) -> Target:
    """Read `http://HOST:PORT`; the host's address is taken from `resolve`, or is 127.0.0.1.

    Raise LabError for other URLs. An IP address as the host is refused, because cookies and
    certificates behave differently there and could hide a leak.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise LabError(f"{url} is not a URL ({error}): write http://HOST:PORT") from error
    if parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise LabError(
            f"{url} is not of the form http://HOST:PORT, the only one that the lab supports"
        )
    if is_address(host) or not _HOST.fullmatch(host):
        raise LabError(
            f"{host or url} is not a host name: give the server a name and map it with --resolve"
        )
    return Target(host, port, resolve.get(host, "127.0.0.1"))


def plan_public(target: Target, root: bytes, *, codename: str, region: str, channel: str) -> Public:
    """Return the public facts of a phone that polls `target` and trusts `root`."""
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
        build=BuildFacts(fingerprint, "1", 1, 0, "1970-01-01"),
    )


def plan_live_testbed(target: Target, public: Public, *, now: float, seed: int) -> Testbed:
    """Return a testbed with only one phone's facts and one real server.

    All runs end by `now` (epoch seconds) in virtual time, so that nothing expires during them: a
    server signs its timestamp for one day, and a phone whose clock is slow trusts it as well.
    """

    def serve() -> Responder:
        raise AssertionError("a real server is polled")

    start = now - WEEK - idle(_LONGEST).longest
    return Testbed(
        seed,
        (public,),
        private=public.host,
        start=start,
        spread=WEEK,
        only=serve,
        upstream=target.address,
    )


def make_live_batteries(factory: Factory, testbed: Testbed, pairs: int) -> tuple[Battery, ...]:
    """Return the batteries for real sockets, with `pairs` pairs of owners.

    A good server never sets a cookie, so hostile servers are simulated in memory; from four pairs
    on, all of them.
    """
    return (
        fleet.determinism(testbed, pairs),
        personal.personal(testbed, pairs, owners=2),
        personal.public(testbed, pairs),
        personal.events(testbed, pairs),
        fleet.fleet(testbed, pairs),
        fleet.downloads(testbed, 1),
        timing.timing(testbed, max(4, pairs)),
        timing.stationarity(testbed, 1),
        machines.sockets(testbed, 1),
        servers.server_state(
            plan_testbed(factory, testbed.seed), min(_TRAPS * pairs, len(HOSTILE))
        ),
    )


def examine_live(
    factory: Factory,
    target: Target,
    public: Public,
    *,
    name: str,
    pairs: int,
    now: float,
    on_progress: OnProgress,
    seed: int = 0,
) -> ProgrammeResult:
    """Examine a client against the server at `target`, recording both ends of each socket.

    If the server publishes during the examination, later phones request more than earlier ones. In
    that case only, the examination is repeated once if its result is not clean.
    """
    check_answering((target.address, target.port))
    testbed = plan_live_testbed(target, public, now=now, seed=seed)
    batteries = make_live_batteries(factory, testbed, pairs)
    plan = Plan(name, "live", seed)
    sizes = {each.oracle: each.size for each in batteries}
    profile = Profile(sizes, searched=pairs, is_plain_searched=True)

    def examine() -> ProgrammeResult:
        before = _load_answers(factory, testbed)
        result = run_batteries(
            plan,
            profile,
            factory,
            testbed,
            batteries,
            phones=_SURVEYED * pairs,
            on_progress=on_progress,
        )
        return replace(result, answers_agree=_load_answers(factory, testbed) == before)

    result = examine()
    return result if result.is_clean or result.answers_agree else examine()


def _load_answers(factory: Factory, testbed: Testbed) -> tuple[bytes, ...]:
    """Let a phone poll once, and return the server's answers without their Date headers."""
    observation = observe(factory, testbed.setting(idle(1)))
    return tuple(re.sub(rb"\r\nDate: [^\r]*", b"", data) for data in observation.received)
