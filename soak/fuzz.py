"""Coverage-guided fuzzing: `python -m soak.fuzz TARGET CORPUS …`.

`heads` gives bytes to the pure parser as what follows a request line that is known, and holds what
it takes against h11.
`protocol` gives them to a connection, by the fast path and by aiohttp alone, cut anywhere; both
must answer alike.
`captures` gives them to the lab as a capture of a stranger's phone.
`packs` lets them change a content pack; server, signer and phone must judge it alike.
`packages` lets them change an OTA package: what the signer takes, a phone must take, and other
readers must see alike.
`cloud` gives them to the cloud's records door as a body.
Whatever else is on the command line goes to libFuzzer.
"""

import asyncio
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(
    include=[
        "server.device",
        "server.http",
        "h11",
        "client_sim.lab.captures",
        "client_sim.lab.oracles",
        "client_sim.content",
        "server.core.content",
        "signer.ota",
        "client_sim.engine",
        "server.cloud",
    ]
):
    import h11

    from server.device.answer import plan_head
    from server.http.heads import END
    from server.http.requests import GateMode
    from soak.agreement import check_input
    from soak.captures import check_capture
    from soak.cloud_bodies import check_body
    from soak.two_ways import TwoWays
    from tests.changed_packages import fuzz_packages
    from tests.changed_packs import fuzz_packs

LINE = b"GET /metadata/timestamp.json HTTP/1.1\r\n"


def fuzz_heads() -> Callable[[bytes], None]:
    """Return what tries bytes as the fields of a head."""
    served = TwoWays().plane.served

    def try_bytes(rest: bytes) -> None:
        data = LINE + rest + END
        for is_edge in (False, True):
            if plan_head(data, served, is_edge=is_edge) is None:
                continue
            reader = h11.Connection(h11.SERVER)
            reader.receive_data(data)
            event = reader.next_event()
            if not isinstance(event, h11.Request) or reader.trailing_data[0]:
                raise AssertionError(f"{data!r} is taken, and is not one request")

    return try_bytes


def fuzz_protocol() -> Callable[[bytes], None]:
    """Return what tries bytes as all that comes over a connection."""
    loop = asyncio.new_event_loop()
    ways = [TwoWays(mode) for mode in GateMode]

    def try_bytes(data: bytes) -> None:
        loop.run_until_complete(check_input(ways, data))

    return try_bytes


def fuzz_captures() -> Callable[[bytes], None]:
    """Return what tries bytes as a capture of any format."""
    return check_capture


def fuzz_cloud_bodies() -> Callable[[bytes], None]:
    """Return what tries bytes as a body of the cloud."""
    return check_body


def fuzz_pack_judges() -> Callable[[bytes], object]:
    """Return what lets bytes change a pack that is then judged."""
    return fuzz_packs


def fuzz_package_readers() -> Callable[[bytes], object]:
    """Return what lets bytes change a package that all readers then get."""
    return fuzz_packages


if __name__ == "__main__":
    target = {
        "heads": fuzz_heads,
        "protocol": fuzz_protocol,
        "captures": fuzz_captures,
        "cloud": fuzz_cloud_bodies,
        "packages": fuzz_package_readers,
        "packs": fuzz_pack_judges,
    }[sys.argv.pop(1)]()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
