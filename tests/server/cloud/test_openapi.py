"""The OpenAPI page of the account API, and an independent client that calls what it names."""

from pathlib import Path

import msgspec

from server.cloud.app import ROUTES
from server.cloud.openapi import make_page, split_path
from tests.server.cloud.device import running
from tests.server.stranger import try_out


def test_each_route_is_on_the_page():
    """Each JSON route is on the page with its handler's body; operation ids are unique."""
    page = make_page(ROUTES, "1")
    named = {(path, method) for path, found in page["paths"].items() for method in found}
    spoken = {(split_path(each.path)[0], each.method.lower()) for each in ROUTES if each.is_json}
    assert named == spoken
    consent = page["paths"]["/account/1/consents"]["post"]
    (schema,) = consent["requestBody"]["content"].values()
    name = schema["schema"]["$ref"].rpartition("/")[2]
    assert set(page["components"]["schemas"][name]["properties"]) == {
        *("statement", "public_key", "signature")
    }
    ids = [each["operationId"] for found in page["paths"].values() for each in found.values()]
    assert len(ids) == len(set(ids))
    assert "\\Z" not in msgspec.json.encode(page).decode()


def test_patterns_are_separated_from_paths():
    """Patterns in paths are separated from names, also patterns with braces."""
    path = "/a/{id:[A-Z]{2}}/{name}/{n:x{1,2}y{3}}"
    patterns = {"id": "[A-Z]{2}", "name": "[^{}/]+", "n": "x{1,2}y{3}"}
    assert split_path(path) == ("/a/{id}/{name}/{n}", patterns)


CONFIG = Path(__file__).with_name("schemathesis.toml")


async def test_schemathesis_finds_no_failure(stranger, place, tmp_path):
    """Schemathesis finds no failure with an owner's token; the erasure is tested last."""
    async with running(place, tmp_path, requests_per_second=100_000) as cloud:
        device = await cloud.device()
        page = f"{cloud.url}/account/1/openapi.json"
        token = ("-H", f"Authorization: Token {device.token}")
        for options in (
            (*token, "--phases", "coverage,fuzzing", "--exclude-operation-id", "erase"),
            (*token, "--phases", "coverage,fuzzing", "--include-operation-id", "erase"),
        ):
            status, output = await try_out(stranger, page, CONFIG, tmp_path, *options)
            assert status == 0, output
        assert (await device.ask("GET", "usage"))[0] == 401
