"""Models, channels and changes over the API."""

import hashlib
import json
from dataclasses import replace

import msgspec
import pytest

from server.core.proposal import decode_proposal
from server.release.api.operation import URGENT_BODY_LIMIT
from server.release.rollouts import commands
from server.settings import Settings
from tests.server.release.api_world import api_world
from tests.server.world import FIRST, PACKAGE_2, SECOND

LISTS = ("models", "channels", "changes")
CHANNEL = "/channels/armani/id/stable"
PLAN = {"stages": [{"permille": 10, "hold": 86_400}, {"permille": 1000}]}


@pytest.fixture
def world(second):
    """Return a server that offers the first of two releases."""
    return second


@pytest.fixture
def gated(api):
    """Return the API with two-person approval for stable channels."""
    policy = api.services.rollouts._policy
    api.services.rollouts._policy = replace(policy, approval_channels=("*/*/stable",))
    return api


async def request(api, action, body, tag="*", token="engineer", path=CHANNEL):
    """Give a command; with `tag` None, no If-Match is sent."""
    headers = {} if tag is None else {"If-Match": tag}
    return await api.call("POST", f"{path}/{action}", token=token, body=body, headers=headers)


async def test_halt_with_an_unrecorded_text(world):
    """If a halt's text is not recorded, the answer says so and a metric counts it."""
    settings = Settings(api_port=0, rewordings_per_day=1)
    async with api_world(world, settings=settings) as served:
        first = (await request(served, "halt", {"note": "a"})).json
        again = await request(served, "halt", {"note": "b"})
        assert (again.status, again.json["change"]) == (200, first["change"])
        assert "unrecorded" not in first
        assert again.json["unrecorded"].startswith("armani/id/stable is halted already, by change")
        count = served.registry.get_sample_value
        assert count("hening_api_limits_total", {"share": "rewordings"}) == 1


async def test_models_and_releases(api, published_state):
    """Models and releases are listed in pages, with the keys that signed them."""
    models = (await api.call("GET", "/models", token="viewer")).json["items"]
    assert [(m["codename"], m["version"], m["releases"]) for m in models] == [
        ("armani", 3, 2),
        ("cancro", 1, 0),
    ]
    assert (await api.call("GET", "/models/armani", token="viewer")).json == models[0]
    (signer,) = published_state.ceremony.keys["armani"]
    assert models[0]["signed_by"] == [signer.public_key.keyid]
    assert (await api.call("GET", "/models/dior")).status == 404
    page = (await api.call("GET", "/models/armani/releases?limit=1", token="viewer")).json
    assert [item["path"] for item in page["items"]] == [FIRST]
    rest = (await api.call("GET", page["next"].removeprefix("/api/v1"), token="viewer")).json
    (second,) = rest["items"]
    assert (second["path"], second["counter"], second["type"]) == (SECOND, 2, "full")
    assert second["sha256"] == hashlib.sha256(PACKAGE_2).hexdigest()
    assert rest["next"] is None
    assert (await api.call("GET", "/models/dior/releases")).status == 404


async def test_lists_are_limited_to_codenames(api):
    """An account sees models, channels and changes of its codenames only."""
    await request(api, "halt", {})
    for codename, shown in (("armani", [1, 1, 1]), ("cancro", [1, 0, 0]), ("dior", [0, 0, 0])):
        api.principals["some"] = replace(api.principals["admin"], codenames=(codename,))
        lists = [await api.call("GET", f"/{each}", token="some") for each in LISTS]
        assert [len(each.json["items"]) for each in lists] == shown
        assert all(codename in str(item) for each in lists for item in each.json["items"])


async def test_a_channel(api):
    """A channel's answer has its offer, its tag, and what phones will be offered."""
    shown = await api.call("GET", CHANNEL, token="viewer")
    assert shown.headers["ETag"] == shown.json["etag"]
    assert (shown.json["state"], shown.json["counter"], shown.json["permille"]) == (
        "offered",
        1,
        1000,
    )
    listed = (await api.call("GET", "/channels", token="viewer")).json["items"]
    assert listed == [shown.json]
    seen = (await api.call("GET", f"{CHANNEL}/preview", token="viewer")).json
    assert [way["end"] for way in seen["ways"]] == ["newest", "current", "current"]
    empty = await api.call("GET", "/channels/armani/id/beta")
    assert (empty.status, empty.json["state"]) == (200, "empty")
    nothing = await api.call("GET", "/channels/armani/id/beta/preview")
    assert nothing.status == 404
    assert nothing.json["detail"] == "armani/id/beta offers nothing yet: offer a release first."
    assert (await api.call("GET", "/channels/dior/id/stable")).status == 404


async def test_a_rollout(api):
    """Offer, pause, resume, schedule and halt each return the channel's next tag."""
    tag = (await api.call("GET", CHANNEL)).json["etag"]
    dry = await request(api, "offer", {"plan": PLAN, "dry_run": True}, tag)
    assert (dry.status, dry.json["change"]) == (200, None)
    assert [share["permille"] for share in dry.json["preview"]["shares"]] == [10, 1000]
    assert dry.headers["ETag"] == tag
    for action, body, state in (
        ("offer", {"plan": PLAN, "note": "Monday."}, "offered"),
        ("pause", {"reason": {"en": "A report."}}, "paused"),
        ("resume", {}, "offered"),
        ("schedule", {"plan": {"stages": [{"permille": 500}]}}, "offered"),
    ):
        answer = await request(api, action, body, tag)
        assert answer.status == 200, answer.json
        assert (answer.json["channel"]["state"], answer.json["change"]["state"]) == (state, "done")
        assert (await request(api, action, body, tag)).problem == "changed-meanwhile"
        tag = answer.headers["ETag"]
        assert tag == (await api.call("GET", CHANNEL)).json["etag"]
    assert (await request(api, "pause", {}, None)).status == 428
    halted = await request(api, "halt", {"reason": {"en": "It drains."}}, None)
    assert (halted.status, halted.json["channel"]["state"]) == (200, "halted")
    assert (await request(api, "halt", {}, None)).json["channel"]["reason"] == {"en": "It drains."}
    assert (await request(api, "resume", {})).problem == "conflict"
    changes = (await api.call("GET", "/changes?channel=armani/id/stable")).json["items"]
    assert [change["action"] for change in changes].count("halt") == 1
    assert {change["proposed_by"] for change in changes} == {"engineer"}


async def test_misleading_texts_are_refused(gated):
    """Texts that are not plain get 422, also in a dry run; nothing is recorded.

    This includes the reasons of a rejection or cancellation.
    """
    change = (await request(gated, "offer", {"plan": PLAN})).json["change"]
    path = f"/changes/{change['id']}"
    for action, body, token in (
        ("halt", {"reason": {"en": "a\u202eb"}, "dry_run": True}, "engineer"),
        ("resume", {"note": "<b>"}, "engineer"),
        ("withdraw", {"counter": 2, "note": "see www.rom.example"}, "engineer"),
        ("promote", {"counter": 2, "to": "beta", "note": "a\u2066b"}, "engineer"),
        ("reject", {"reason": "see https://rom.example"}, "approver"),
        ("cancel", {"reason": "see https://rom.example"}, "engineer"),
    ):
        of_change = action in {"reject", "cancel"}
        answer = await request(
            gated, action, body, token=token, path=path if of_change else CHANNEL
        )
        assert (answer.status, answer.problem) == (422, "refused")
        assert "is not plain text: a text " in answer.json["detail"]
    assert (await gated.call("GET", CHANNEL)).json["state"] == "offered"
    assert (await gated.call("GET", "/changes")).json["items"] == [change]


async def test_longest_texts_fit_the_urgent_listener(api):
    """The longest valid reason and note fit into the urgent listener's body limit.

    So every listener decides about a halt's texts in the same way.
    """
    reason = {f"{letter}{letter}-Latn-AA": "b" * 496 for letter in "abcdefg"}
    text = {"reason": reason, "note": ""}
    spare = commands.MAX_WORDS - len(msgspec.json.encode(text))
    longest = {**text, "note": "a" * spare}
    body = {**longest, "due_at": 9_999_999_999, "dry_run": False}
    assert len(msgspec.json.encode(body)) <= URGENT_BODY_LIMIT
    for action in ("pause", "halt"):
        refused = await request(api, action, {**text, "note": "a" * (spare + 1)})
        assert (refused.status, refused.problem) == (422, "refused")
        assert "have 4001 bytes together and may have 4000" in refused.json["detail"]
        assert (await request(api, action, longest)).status == 200
        too_large = await request(api, action, {"reason": reason, "note": "a" * 500})
        assert (too_large.status, too_large.problem) == (413, "too-large")


async def test_two_person_approval(gated):
    """A change waits until an approver approves or rejects it, or its proposer cancels it."""
    answer = await request(gated, "offer", {"plan": PLAN})
    change = answer.json["change"]
    assert (answer.status, change["state"]) == (200, "waiting")
    waiting = (await gated.call("GET", "/changes?state=waiting")).json["items"]
    assert waiting == [change]
    path = f"/changes/{change['id']}"
    approved = await gated.call("POST", f"{path}/approve", token="approver")
    assert (approved.json["state"], approved.json["approved_by"]) == ("done", "approver")
    assert (await gated.call("GET", path, token="viewer")).json == approved.json
    due = gated.services.epoch() + 1000
    plan = {"plan": {"stages": [{"permille": 1000}]}, "due_at": due}
    for action, token in (("reject", "approver"), ("cancel", "engineer")):
        made = (await request(gated, "schedule", plan)).json["change"]
        assert made["due_at"] == due
        path = f"/changes/{made['id']}/{action}"
        ended = (await gated.call("POST", path, token=token, body={"reason": "No."})).json
        assert ended["state"] == {"reject": "rejected", "cancel": "cancelled"}[action]
        assert ended["reason"] == "No."
    # The channel is not paused, so that a resume is not even proposed.
    assert (await request(gated, "resume", {}, token="admin")).status == 409
    assert (await gated.call("GET", "/changes/" + "0" * 32)).status == 404
    assert (await gated.call("GET", "/changes?cursor=IjAi")).status == 400


async def test_changes_that_need_signatures(api):
    """A change that needs offline signatures gets 409 with a proposal, and changes nothing.

    The proposal's id is the sha256 of its bytes.
    """
    before = await api.call("GET", CHANNEL)
    for action, body, path in (
        ("withdraw", {"counter": 2, "note": "It drains."}, CHANNEL),
        ("withdraw", {"counter": 2, "everywhere": True}, CHANNEL),
        ("withdraw", {"counter": 2, "file": "armani-2.zip", "drain_until": 4 * 10**9}, CHANNEL),
        ("promote", {"counter": 2, "to": "beta"}, CHANNEL),
        ("retire", {}, "/models/armani"),
    ):
        answer = await request(api, action, body, None, path=path)
        assert (answer.status, answer.problem) == (409, "needs-signature")
        data = answer.json["proposal"]["file"].encode()
        assert hashlib.sha256(data).hexdigest() == answer.json["proposal"]["id"]
        proposal = decode_proposal(data)
        context = [(file.role, file.version) for file in proposal.context]
        assert context == [("armani", 3), ("root", 1), ("targets", 1)]
        (changed,) = proposal.changes
        assert (changed.role, changed.version) == ("armani", 4)
        assert json.loads(changed.data)["signatures"] == []
    assert (await api.call("GET", CHANNEL)).json == before.json
    for action, body in (
        ("withdraw", {"counter": 9}),
        ("withdraw", {"counter": 1, "file": "armani-2.zip"}),
        ("promote", {"counter": 2, "to": "stable"}),
        ("promote", {"counter": 2, "to": "Beta"}),
    ):  # the signer would refuse it, too
        assert (await request(api, action, body, None)).status == 422


async def test_split_needs_signatures_and_all_codenames(api):
    """A split changes targets, so it needs all codenames; the answer has its cost."""
    answer = await api.call("POST", "/latest/split", token="engineer", body={"parts": 16})
    assert (answer.status, answer.problem) == (409, "needs-signature")
    proposal = decode_proposal(answer.json["proposal"]["file"].encode())
    assert [(file.role, file.version) for file in proposal.changes] == [("targets", 2)]
    assert "1 pointers of 1 models" in answer.json["proposal"]["remarks"][0]
    assert "cannot be taken back" in answer.json["proposal"]["remarks"][-1]
    engineer = api.principals["engineer"]
    api.principals["engineer"] = replace(engineer, codenames=("armani",))
    refused = await api.call("POST", "/latest/split", token="engineer", body={"parts": 16})
    assert refused.status == 403
    assert (await api.call("POST", "/latest/split", body={"parts": 8})).status == 422
