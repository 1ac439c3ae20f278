"""Coverage-guided fuzzing: `python -m soak.fuzz TARGET CORPUS …`.

`heads` parses the input with the pure parser as the headers after a valid request line. h11 must
read every head that it accepts as exactly one request.
`protocol` sends the input over a connection of the fast path and one of aiohttp alone, cut
anywhere; the answers must be equal.
`captures` audits the input as a capture from an unknown phone.
`packs` changes a content pack by the input; server, signer and phone must give the same verdict.
`packages` changes an OTA package by the input. If the signer accepts it, a phone must accept it and
other readers must read the same content.
`cloud` decodes the input as a request body of the cloud.
All other arguments are passed to libFuzzer.
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
    """Return a target that uses its input as the headers of a request."""
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
    """Return a target that uses its input as all bytes of a connection."""
    loop = asyncio.new_event_loop()
    ways = [TwoWays(mode) for mode in GateMode]

    def try_bytes(data: bytes) -> None:
        loop.run_until_complete(check_input(ways, data))

    return try_bytes


def fuzz_captures() -> Callable[[bytes], None]:
    """Return a target that uses its input as a capture of any format."""
    return check_capture


def fuzz_cloud_bodies() -> Callable[[bytes], None]:
    """Return a target that uses its input as a request body of the cloud."""
    return check_body


def fuzz_pack_judges() -> Callable[[bytes], object]:
    """Return a target that changes a pack by its input and compares the verdicts on it."""
    return fuzz_packs


def fuzz_package_readers() -> Callable[[bytes], object]:
    """Return a target that changes a package by its input and compares its readers."""
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
