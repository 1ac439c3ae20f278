"""Compares the cloud's response times for names that exist and names that do not.

    python -m soak.cloud_names [TRIES]

Challenges and refused logins for both kinds of names are requested in random order on one
connection, before and after a rotation of the pepper. The exit status is 1 if a rank test
(Mann-Whitney, two-sided) distinguishes the kinds at 1e-4. Other work on the machine disturbs it.
"""

import asyncio
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from server.cloud.pepper.rotation import seal_again
from server.cloud.secrets import Secrets, derive_name_key
from server.cloud.storage import MIGRATIONS
from server.storage.database import open_database
from tests.server.cloud.device import PEPPER, SALTS, Cloud, Device, running

ALPHA = 1e-4
TRIES = 2000
NAMES = 50
FORMER = Secrets("id", PEPPER, SALTS, os.urandom)
FOLLOWING = Secrets("id", bytes(32), SALTS, os.urandom, [derive_name_key(PEPPER)])
CHALLENGE = "authentication/login_challenge/"


def compare(first: list[float], second: list[float]) -> float:
    """Return the probability that two samples differ so much in rank by chance."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, kind) in enumerate(ranked, 1) if kind == 0)
    count, other = len(first), len(second)
    mean = count * (count + other + 1) / 2
    deviation = math.sqrt(count * other * (count + other + 1) / 12)
    return math.erfc(abs(ranks - mean) / deviation / math.sqrt(2))


async def measure(cloud: Cloud, tries: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return the probability for each kind of request; `clock` returns seconds."""
    drawn, found = random.Random(1), {}
    for action in ("challenge", "login"):
        times: dict[bool, list[float]] = {True: [], False: []}
        for number, is_there in enumerate(drawn.choices([True, False], k=tries)):
            name = f"{'owner' if is_there else 'other'}{number % NAMES:03}"
            device = Device(cloud.http, cloud.url, name, SigningKey(bytes(32)))
            cloud.clock.seconds += 1  # so that no name reaches its limit of attempts
            begin = clock()
            if action == "challenge":
                await device.call("POST", CHALLENGE, {"username": name})
            else:
                await device.log_in(challenge=b"c" * 68)
            times[is_there].append(clock() - begin)
        found[action] = compare(times[True], times[False])
        medians = [1e6 * sorted(each)[len(each) // 2] for each in times.values()]
        print(f"  {action}: {medians[0]:.0f} and {medians[1]:.0f} us, p = {found[action]:.2g}")
    return found


async def measure_rotation(
    folder: Path, tries: int, clock: Callable[[], float]
) -> list[dict[str, float]]:
    """Create a cloud in `folder`; measure before and after a rotation of its pepper."""
    place, found = folder / "cloud.sqlite", []
    limits = {"logins_per_hour": 100_000, "requests_per_second": 100_000}
    for kind, secrets in (("before", FORMER), ("after", FOLLOWING)):
        async with running(place, folder, peppers=(secrets,), **limits) as cloud:
            if kind == "before":
                for number in range(NAMES):
                    await cloud.device(f"owner{number:03}")
            print(f"{kind} a rotation of the pepper")
            found.append(await measure(cloud, tries, clock))
        async with open_database(place, migrations=MIGRATIONS) as database:
            await seal_again(database, FORMER, FOLLOWING)
    return found


def main(tries: int) -> int:
    """Measure, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure_rotation(Path(folder), tries, time.perf_counter))
    return int(any(each < ALPHA for kind in found for each in kind.values()))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIES))
