"""The request pipeline: route, token, right, query, body, handler and answer."""

import io

import pytest

from tests.cases import case
from tests.server.release.api.toys import ERRORS, MADE

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEAR = {"name": "bear", "colour": "red"}
PROBLEMS = {400: "malformed", 422: "invalid"}


async def test_unknown_paths(toys):
    """An unknown path gets 404 with a problem document, with and without a token."""
    for path in ("", "/", "/nothing", "/toys/", "/toys//bear", "/toys/bear/leg", "/toys/a%2Fb"):
        for token in ("admin", None):
            answer = await toys.call("GET", path, token=token)
            assert (answer.status, answer.problem) == (404, "not-found")
    answer = await toys.call("GET", "/toys/%ff")
    assert (answer.status, answer.problem) == (404, "not-found")


async def test_invalid_tokens(toys):
    """Without exactly one valid bearer token, a request gets 401 and nothing is decoded."""
    wrong = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Bearer admin admin"},
        {"Authorization": "admin"},
        {"Cookie": "token=admin; Authorization=admin; session=admin"},
        {"X-Api-Key": "admin"},
        {"Proxy-Authorization": "Bearer admin"},
        {"Authorization": "Bearer " + "a" * 5000},
    ]
    for headers in wrong:
        answer = await toys.call("POST", "/toys", token=None, body=BEAR, headers=headers)
        assert (answer.status, answer.problem) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hening"'
        answer = await toys.call("GET", "/toys?access_token=admin", token=None, headers=headers)
        assert answer.status == 401
    assert MADE == []
    for scheme in ("Bearer", "bearer", "BEARER"):  # RFC 9110: the scheme's name is case-insensitive
        headers = {"Authorization": f"{scheme} viewer"}
        assert (await toys.call("GET", "/toys", token=None, headers=headers)).status == 200


async def test_missing_permission(toys):
    """Without the operation's permission, a request gets 403 and its body is not read."""
    answer = await toys.call("POST", "/toys", token="viewer", data=b"{", headers={})
    assert (answer.status, answer.problem) == (403, "forbidden")
    assert "viewer is not allowed to upload" in answer.json["detail"].lower()
    assert (await toys.call("POST", "/toys", token="editor", body=BEAR)).status == 201
    assert (await toys.call("POST", "/secrets", token="viewer", body=BEAR)).status == 201


async def test_methods(toys):
    """HEAD is GET without a body, OPTIONS lists the methods, others get 405 with this list."""
    listed = await toys.call("GET", "/toys")
    head = await toys.call("HEAD", "/toys")
    assert (head.status, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(listed.data))
    options = await toys.call("OPTIONS", "/toys", token=None)
    assert (options.status, options.data) == (204, b"")
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert not any(name.startswith("Access-Control") for name in options.headers)
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "QUERY"):
        answer = await toys.call(method, "/toys")
        assert (answer.status, answer.problem) == (405, "method-not-allowed")
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


async def test_headers_of_every_answer(toys):
    """Every answer has the security headers and none that names the software."""
    for method, path in (("GET", "/toys"), ("GET", "/nothing"), ("DELETE", "/toys/bear")):
        answer = await toys.call(method, path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert (answer.status, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers


QUERIES = {
    422: [
        *("limit=0", "limit=201", "limit=05", "limit=5.0", "limit=%205", "limit=", "limit=null"),
        *("limit=99999999999999999999", "colour=blue", "colour=null", "old=1", "old=True"),
        "size=5",
    ],
    400: [
        *("limit=5&limit=6", "colour=red%00", "colour=%ff", "limit", "&", "cursor=!"),
        *("cursor=MQ==", "cursor=ImEi", "cursor=OTAwNzE5OTI1NDc0MDk5Mg"),
        "&".join(f"a{n}=1" for n in range(40)),
    ],
}


async def test_invalid_queries(toys):
    """Repeated, unknown and invalid parameters are refused with a message."""
    for status, query in (
        (status, each) for status, queries in QUERIES.items() for each in queries
    ):
        with case(query):
            answer = await toys.call("GET", f"/toys?{query}")
            assert (answer.status, answer.problem) == (status, PROBLEMS[status])
    assert (await toys.call("GET", "/toys/bear?a=1")).status == 422
    assert (await toys.call("GET", "/toys/bear?")).status == 200


BODIES = {
    400: [
        *(b"", b"{", b"\xff\xfe{\x00}\x00", b'{"name":"\xff","colour":"red"}'),
        *(b'\xef\xbb\xbf{"name":"bear","colour":"red"}', b'{"name":"a","colour":"red"} {}'),
        *(b'{"name":"a","name":"b","colour":"red"}', b'{"name":"a\\u0000","colour":"red"}'),
        *(b'{"name":"\\ud800","colour":"red"}', b'{"name":"a","colour":"red","price":NaN}'),
        b'{"parts":[' * 1_500,
    ],
    422: [
        b'{"name":"a","colour":"red","price":' + b"9" * 5000 + b"}",
        *(b"[" * 16_000, b'{"parts":' * 1_500, b'{"parts":[' * 40 + b"]}" * 40, b"null", b"[]"),
        *(b'{"name":"a"}', b'{"name":"","colour":"red"}', b'{"name":"a","colour":"red","size":1}'),
        *(b'{"name":"a","colour":"red","price":%b}' % each for each in (b'"1"', b"1.5", b"true")),
        b'{"name":"a","colour":"red","parts":[{"name":"b","colour":"red","x":1}]}',
    ],
}


async def test_invalid_bodies(toys):
    """A body that is not JSON gets 400, one of another type 422, and a superfluous one 400."""
    headers = {"Content-Type": "application/json"}
    for status, data in ((status, each) for status, bodies in BODIES.items() for each in bodies):
        with case(data[:40]):
            answer = await toys.call("POST", "/toys", data=data, headers=headers)
            assert (answer.status, answer.problem) == (status, PROBLEMS[status])
    for method in ("DELETE", "GET"):
        assert (await toys.call(method, "/toys/bear", data=b"x")).status == 400
    assert MADE == []


async def test_media_types(toys):
    """Only JSON in UTF-8 is accepted, and no type that a foreign page can send.

    A compressed body is refused, which excludes decompression bombs.
    """
    data = b'{"name":"bear","colour":"red"}'
    for kind, status in {
        "application/json": 201,
        "Application/JSON; charset=UTF-8": 201,
        "application/json; charset=latin-1": 415,
        "application/json; boundary=x": 415,
        "text/plain": 415,
        "application/x-www-form-urlencoded": 415,
        "multipart/form-data; boundary=x": 415,
        "": 415,
    }.items():
        answer = await toys.call("POST", "/toys", data=data, headers={"Content-Type": kind})
        assert answer.status == status, kind
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await toys.call("POST", "/toys", data=b"\x1f\x8b", headers=headers)
    assert (answer.status, answer.problem) == (415, "media-type")


async def test_if_match(toys):
    """Without If-Match a change gets 428, with another tag 412 and the current tag."""
    for headers, status, problem in (
        ({}, 428, "match-required"),
        ({"If-Match": "1"}, 400, "malformed"),
        ({"If-Match": 'W/"1"'}, 400, "malformed"),
        ({"If-Match": '"2"'}, 412, "changed-meanwhile"),
        ({"If-Match": '"2", "3"'}, 412, "changed-meanwhile"),
    ):
        answer = await toys.call("PUT", "/toys/bear", body=BEAR, headers=headers)
        assert (answer.status, answer.problem) == (status, problem)
    assert answer.headers["ETag"] == '"1"'
    for tag in ('"1"', '"2", "1"', "*"):
        answer = await toys.call("PUT", "/toys/bear", body=BEAR, headers={"If-Match": tag})
        assert answer.status == 200


async def test_raw_body(toys):
    """A raw operation reads its body itself; its constant headers are also on refusals."""
    headers = {"Content-Type": "application/offset+octet-stream"}
    answer = await toys.call("PUT", "/octets", data=io.BytesIO(b"x" * 3_000_000), headers=headers)
    assert (answer.status, answer.data) == (200, b"3000000")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Toy-Resumable"] == "1.0.0"
    answer = await toys.call("PUT", "/octets", token=None)
    assert answer.status == 401
    assert answer.headers["Toy-Resumable"] == "1.0.0"


async def test_statuses_of_errors(toys):
    """Each error class has its status and problem type; the detail is its message."""
    for how, status, problem in (
        ("authentication", 401, "unauthenticated"),
        ("conflict", 409, "conflict"),
        ("format", 400, "malformed"),
        ("missing", 404, "not-found"),
        ("permission", 403, "forbidden"),
        ("precondition", 412, "changed-meanwhile"),
        ("quota", 507, "no-room"),
        ("release", 422, "refused"),
        ("size", 413, "too-large"),
        ("storage", 503, "unavailable"),
        ("rate", 429, "too-many-requests"),
        ("signature", 409, "needs-signature"),
    ):
        answer = await toys.call("GET", f"/failures?how={how}")
        assert (answer.status, answer.problem) == (status, problem)
        sentence = str(ERRORS[how])
        assert answer.json["detail"] == sentence[0].upper() + sentence[1:]
        assert answer.headers.get("Retry-After") == {"rate": "7", "storage": "5"}.get(how)
    assert answer.json["proposal"] == {"role": "armani", "version": 3}


@pytest.mark.parametrize(("how", "status"), [("bug", 500), ("database", 503)])
async def test_unexpected_error_shows_only_an_incident(toys, how, status, log):
    """Answer and log of an unexpected error have only an incident's id, not the error's text."""
    answer = await toys.call("GET", f"/failures?how={how}")
    assert answer.status == status
    entry = next(e for e in log if e["event"] == "the API failed")
    assert entry["incident"] == answer.json["incident"]
    assert entry["operation"] == "fail_toy"
    assert "toys.py:" in entry["error"]
    assert b"secret" not in answer.data
    assert "secret" not in str(log)


async def test_metrics(toys):
    """Requests are counted by operation and class of status only."""

    def count(operation, status):
        labels = {"operation": operation, "status": status}
        return toys.registry.get_sample_value("hening_api_requests_total", labels)

    kinds = [("list_toys", "2xx"), ("list_toys", "4xx"), ("fail_toy", "5xx"), ("none", "4xx")]
    before = [count(*kind) for kind in kinds]
    await toys.call("GET", "/toys")
    await toys.call("GET", "/toys?limit=0")
    await toys.call("GET", "/failures?how=bug")
    await toys.call("GET", "/nothing/canary")
    assert [count(*kind) for kind in kinds] == [number + 1 for number in before]
