"""Tokens, secrets and passwords sent to the control plane are not logged, answered or stored."""

import asyncio
import contextlib
import http.client
import json
import os
import re
from datetime import UTC, datetime

import pytest

from server.release.auth.accounts import create_account, disable_account
from server.release.auth.principal import Role, command_line_principal, token_checksum
from server.release.auth.tokens import create_token, revoke_token
from server.storage.database import open_database
from tests.attacks.canaries import every_operation
from tests.patience import PATIENCE

PASSWORD = "pa55word-canary-4711"
BEARERS = ["Bearer {}", "bearer {}", "Basic {}", "Token {}", "{}", "Bearer {} {}", "Bearer x{}"]


async def make_tokens(world):
    """Make an admin and tokens of each kind; return their texts by kind."""
    operator = command_line_principal("root")
    at = int(datetime.now(UTC).timestamp())
    issued = {}
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        for name in ("root", "gone"):
            await create_account(
                session, operator, name=name, role=Role.ADMIN, codenames=["*"], at=at
            )
        for kind, account in (("valid", "root"), ("revoked", "root"), ("disabled", "gone")):
            issued[kind] = await create_token(
                session,
                operator,
                os.urandom,
                account=account,
                label=kind,
                expires_at=at + 86_400,
                at=at,
            )
        await revoke_token(session, operator, identity=issued["revoked"].row.id, at=at)
        await disable_account(session, operator, name="gone", at=at)
    assert not any(one.text[20:84] in repr(one) + str(one) for one in issued.values())
    unknown = "hening_ffffffffffff_" + os.urandom(32).hex()
    texts = {kind: one.text for kind, one in issued.items()}
    return {**texts, "unknown": unknown + token_checksum(unknown)}


@pytest.fixture
def process(programs, world, tmp_path):
    """Run the real server with both planes; yields process, connection to its API, and tokens."""
    tokens = asyncio.run(make_tokens(world))
    words = ("run", "--state", world.folder.root, "--port", "0", "--api-port", "0")
    with (
        (tmp_path / "errors").open("wb") as errors,
        programs.start("hening-server", *words, output=errors) as server,
    ):
        server.stdout.readline()
        port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        ) as connection:
            yield server, connection, tokens
        server.kill()


def ask(connection, method, path, headers, body=None):
    """Send one request; return status and bytes of the whole answer."""
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    head = "\n".join(f"{name}: {value}" for name, value in answer.getheaders())
    return answer.status, head.encode() + answer.read()


def requests(tokens):
    """Yield requests with a secret in every place where a caller may put it by mistake."""
    admin = {"Authorization": f"Bearer {tokens['valid']}"}
    for text in tokens.values():
        for form in BEARERS:
            yield "GET", "/api/v1/status", {"Authorization": form.format(text, text)}, None
        yield "GET", f"/api/v1/status?token={text}", {}, None
        yield "GET", f"/api/v1/{text}", {}, None
        for headers in ({}, admin):
            yield "GET", f"/api/v1/accounts/{text}", headers, None
            yield "POST", f"/api/v1/tokens/{text}/revoke", headers, None
            yield "GET", f"/api/v1/webhooks/{text}", headers, None
            yield "GET", f"/api/v1/trail?cursor={text}", headers, None
            yield "GET", f"/api/v1/trail?actor={text}", headers, None
            yield "GET", "/api/v1/status", {**headers, "Cookie": f"token={text}"}, None
            yield "GET", "/api/v1/status", {**headers, "X-Api-Key": text}, None
        for keyed in ({}, {"Idempotency-Key": f"k-{text[7:19]}"}, {"Idempotency-Key": text[:80]}):
            sent = {**admin, **keyed, "Content-Type": "application/json"}
            for path, value in (
                ("/accounts", {"name": text, "role": "viewer", "codenames": ["*"]}),
                ("/accounts", {"name": text[:64], "role": "viewer", "codenames": [text[:32]]}),
                ("/accounts", {"name": "a", "role": text, "codenames": ["*"]}),
                ("/accounts", {"name": "a", "role": "viewer", "password": PASSWORD}),
                ("/tokens", {"account": text[:64], "label": "x"}),
                ("/tokens", {"account": "root", "label": "x", "secret": PASSWORD}),
                ("/webhooks", {"url": f"http://u:{PASSWORD}@h.example/", "events": ["halted"]}),
                ("/webhooks", {"url": f"https://127.0.0.1/{text}", "events": ["halted"]}),
            ):
                yield "POST", f"/api/v1{path}", sent, json.dumps(value)
        hook = {"url": f"https://hooks.example.org/{text}", "events": ["halted"]}
        sent = {**admin, "Content-Type": "application/json"}
        yield "POST", "/api/v1/webhooks", sent, json.dumps(hook)
        yield "POST", "/api/v1/accounts", {**admin, "Content-Type": text}, "{}"
        yield "POST", "/api/v1/accounts", {**admin, "Content-Type": "application/json"}, text


def everything(tokens):
    """Yield all requests; a request that may revoke its own token does not carry that token."""
    yield from requests(tokens)
    admin = {"Authorization": f"Bearer {tokens['valid']}"}
    yield from every_operation(admin, tokens["unknown"])


def test_no_secret_escapes(process, world, tmp_path):
    """Output, answers, state folder and audit log contain none of the secrets that were sent."""
    server, connection, tokens = process
    secrets = [text[20:84].encode() for text in tokens.values()] + [PASSWORD.encode()]
    found = set()
    for method, path, headers, body in everything(tokens):
        status, data = ask(connection, method, path, headers, body)
        found.add(status)
        assert status < 500
        for secret in secrets:
            assert secret[:40] not in data, (method, path[:30], status)
    assert found >= {200, 400, 401, 404, 422}
    admin = {"Authorization": f"Bearer {tokens['valid']}"}
    status, audit_log = ask(connection, "GET", "/api/v1/trail/export", admin)
    assert status == 200
    server.terminate()
    assert server.wait(PATIENCE) == 0
    out, err = server.stdout.read(), (tmp_path / "errors").read_text()
    kept = {
        str(path.relative_to(world.folder.root)): path.read_bytes()
        for path in world.folder.root.rglob("*")
        if path.is_file()
    }
    assert "hening.sqlite" in kept
    for secret in secrets:
        for place, data in {**kept, "stdout": out.encode(), "stderr": err.encode()}.items():
            assert secret[:40] not in data, place
        assert secret[:40] not in audit_log
    assert "Traceback" not in err
