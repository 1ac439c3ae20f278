"""Bodies of arbitrary bytes are decoded, or refused in the API's own form; no route fails."""

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.cloud.app import ROUTES
from soak.cloud_bodies import KINDS, check_body
from tests.cases import case
from tests.server.cloud.device import HEADERS, change, make_item, uid
from tests.server.cloud.test_foreign_accounts import PARTS

CORPUS = Path(__file__).parents[3] / "fixtures" / "fuzz" / "cloud"
ITEM = make_item(b"body")
CLAIM = {"username": "ani", "challenge": b"c" * 68, "host": "h", "action": "login"}
VALID = (
    {"items": [ITEM], "deps": [{"uid": uid(), "etag": uid()}]},
    {"items": [change(ITEM)]},
    {"item": ITEM, "collectionKey": b"k" * 72, "collectionType": b"type"},
    [{"uid": uid(), "etag": None}],
    {"response": msgspec.msgpack.encode(CLAIM), "signature": b"s" * 64},
    {"username": "ani"},
    CLAIM,
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary()
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def bodies(draw):
    """Draw bytes, values, or a valid body with a byte or a member changed."""
    if draw(st.booleans()):
        return draw(st.binary() | values.map(msgspec.msgpack.encode))
    valid = draw(st.sampled_from(VALID))
    if isinstance(valid, dict) and draw(st.booleans()):
        return msgspec.msgpack.encode({**valid, draw(st.sampled_from([*valid])): draw(values)})
    data = bytearray(msgspec.msgpack.encode(valid))
    data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@given(kind=st.integers(0, len(KINDS) - 1), body=bodies())
def test_a_body_is_decoded_or_refused(kind, body):
    """Any body is decoded as any type, or refused."""
    check_body(bytes([kind]) + body)


def test_corpus_of_the_fuzzer():
    """The fuzzer's seeds and former findings are decoded or refused."""
    for path in sorted(CORPUS.iterdir()):
        with case(path.name):
            check_body(path.read_bytes())


async def test_no_body_makes_a_route_fail(cloud):
    """Each route with a body gets valid bodies of all kinds, and values of all types."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    parts = {"collection": collection, "item": ITEM["uid"], "name": "nobody", "id": "A" * 22}
    odd = (*VALID, None, [], {}, 1, b"", "text", [None], {"items": [None]}, {"uid": 2**64 - 1})
    tried = 0
    for route in ROUTES:
        if route.body is None or "logout" in route.path:
            continue
        path = PARTS.sub(lambda part: parts.get(part[1], "A" * 32), route.path)
        encode = msgspec.json.encode if route.is_json else msgspec.msgpack.encode
        for body in odd:
            headers = {**HEADERS, "Authorization": f"Token {device.token}"}
            address, data = f"{cloud.url}{path}", encode(body)
            async with cloud.http.request(
                route.method, address, data=data, headers=headers
            ) as answer:
                assert answer.status < 500, (route.path, body, await answer.read())
                tried += 1
    assert tried > 200
    assert (await device.call("GET", f"collection/{collection}/"))[0] == 200
