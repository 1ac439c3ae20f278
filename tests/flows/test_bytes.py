"""The exact bytes of a poll by host name, at both ends of real sockets, with the real server."""

import re

from client_sim.device.client import PollingClient
from client_sim.lab.programme.live import Target, plan_public
from client_sim.lab.scenarios.driving import POLL, Scenario, run_scenario
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.sockets import Relay, SocketWorld
from client_sim.persona import make_persona
from demo.stage import HOST


def request(path, port):
    """Return a request as docs/FORMATS.md section 9 defines it."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept-Encoding: gzip\r\n\r\n".encode()


def test_exact_bytes_of_a_poll(stage):
    """The first poll requests every file once, the second makes two requests, for every owner.

    docs/PRIVACY.md shows these requests in this order, and no others.
    """
    target = Target(HOST, stage.port, "127.0.0.1")
    root = (stage.repo / "metadata" / "1.root.json").read_bytes()
    public = plan_public(target, root, codename="armani", region="id", channel="stable")
    first = [
        "/metadata/2.root.json",
        "/metadata/timestamp.json",
        "/metadata/1.snapshot.json",
        "/metadata/1.targets.json",
        "/metadata/1.latest.json",
        "/log/proof/latest.1",
        "/metadata/1.tables.json",
        "/log/proof/tables.1",
        "/metadata/1.content.json",
        "/log/proof/content.1",
    ]
    expected = [
        b"".join(request(path, stage.port) for path in paths) for paths in (first, first[:2])
    ]
    for seed in range(2):
        owner = make_persona(seed)
        with Relay(("127.0.0.1", stage.port)) as relay:
            world = SocketWorld(
                public,
                owner,
                entropy=Entropy(b"%d" % seed),
                start=1_795_000_000.0,
                addresses={HOST: "127.0.0.1"},
                relay=relay,
            )
            seen = run_scenario(PollingClient, world, Scenario("two polls", (POLL, POLL)), owner)
        assert [connection.data for connection in seen.connections()] == expected
        assert list(seen.far_end) == expected
    page = stage.folder / "what-your-phone-sends.html"
    url = f"http://{HOST}:{stage.port}"
    stage.server("owner-page", "--state", stage.server_state, "--url", url, "--out", page)
    text = page.read_text(encoding="utf-8")
    assert re.findall("<dt>GET (.*)</dt>", text) == first
    shown = re.search("<pre>(.*?)</pre>", text, re.DOTALL)[1]
    assert shown.replace("\n", "\r\n") + "\r\n" == request(first[0], stage.port).decode()
