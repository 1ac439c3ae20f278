"""Headers of all answers are on a list: there is nothing for a client to bring back."""

import hashlib
import os

import aiohttp
import pytest

EACH = {"Date", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"}
LENGTH = {"Content-Length", "Transfer-Encoding"}
MORE = {
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "Content-Type",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "WWW-Authenticate",
}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_each_answer_has_listed_headers(cloud):
    """Of every API and of the page; no cookie, no tag, no date of change, no redirect."""
    device = await cloud.device()
    body = os.urandom(2000)
    name, token = hashlib.sha256(body).hexdigest(), await device.make_token()
    basic = aiohttp.encode_basic_auth("ani", token)
    _, link = await device.ask("POST", "owner-links")
    owner, program = f"Token {device.token}", basic
    seen, statuses = set(), []
    for method, path, login, sent in (
        ("GET", "/api/v1/collection/", owner, None),
        ("GET", "/api/v1/collection/", "", None),
        ("POST", "/api/v1/authentication/login/", "", b"no msgpack"),
        ("GET", "/api/v1/nothing/", owner, None),
        ("GET", "/account/1/usage", owner, None),
        ("GET", "/account/1/export", owner, None),
        ("PUT", "/account/1/usage", owner, None),
        ("GET", "/account/1/nothing", owner, None),
        ("POST", "/blobs/photos/?create=true", program, None),
        ("POST", f"/blobs/photos/data/{name}", program, body),
        ("HEAD", f"/blobs/photos/data/{name}", program, None),
        ("GET", f"/blobs/photos/data/{name}", program, None),
        ("GET", f"/blobs/photos/data/{name}", "", None),
        ("GET", "/policy/id", "", None),
        ("GET", f"/erasure/{'e' * 22}", "", None),
        ("GET", "/owner", "", None),
        ("GET", "/owner/style.css", "", None),
        ("GET", link["url"].removeprefix(cloud.url), "", None),
        ("GET", "/owner/nothing", "", None),
    ):
        headers = {"Authorization": login, "Range": "bytes=1-2"} if login else {}
        request = cloud.http.request(
            method, cloud.url + path, data=sent, headers=headers, allow_redirects=False
        )
        async with request as answer:
            found = set(answer.headers)
            await answer.read()
            assert found - LENGTH - MORE == EACH, (method, path)
            assert answer.headers["Cache-Control"] == "no-store"
            seen |= found
            statuses.append(answer.status)
    assert seen == EACH | LENGTH | MORE
    assert statuses == [
        *(200, 401, 400, 404, 200, 200, 405, 404),
        *(200, 200, 200, 206, 401, 200, 404, 200, 200, 200, 404),
    ]
