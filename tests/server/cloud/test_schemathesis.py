"""A stranger reads the page of the account door, and finds no failure and no untrue answer.

Schemathesis calls what the page names, so a new route is tried from its first day on.
"""

from pathlib import Path

import pytest

from tests.server.cloud.device import running
from tests.server.stranger import try_out

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_the_account_door(place, tmp_path):
    """With an owner's token, without one, and at last what erases the owner."""
    async with running(place, tmp_path, requests_per_second=100_000) as cloud:
        device = await cloud.device()
        page = f"{cloud.url}/account/1/openapi.json"
        token = ("-H", f"Authorization: Token {device.token}")
        for options in (
            (*token, "--phases", "coverage,fuzzing", "--exclude-operation-id", "erase"),
            ("--phases", "fuzzing", "--mode", "positive"),
            (*token, "--phases", "coverage,fuzzing", "--include-operation-id", "erase"),
        ):
            status, output = await try_out(page, CONFIG, tmp_path, *options, "--max-examples", "3")
            assert status == 0, output
        assert (await device.ask("GET", "usage"))[0] == 401
