"""Consents: nothing is stored without one, and each has a receipt signed by the region."""

import base64
import json

from nacl.signing import SigningKey

from server.core.note import decode_verifier_key, verify_note
from tests.server.cloud.blobs.test_routes import BODY, NAME
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, SECRETS, make_item, running
from tests.server.cloud.policies import (
    HOURS,
    POLICY,
    keep_policies,
    make_policy,
    make_statement,
    sign,
)

HOUR = 60 * 60
NEXT = make_policy(version=2, **{"from": NOW + HOUR})
KEY = SECRETS.receipt_key


def read_receipt(note):
    """Verify a receipt with the region's key, and return its content."""
    return json.loads(verify_note(note.encode(), KEY))


async def upload(device):
    """Try every kind of upload; return the statuses, which are 201 and 200 if accepted."""
    program = await device.program()
    item = make_item()
    body = {"item": item, "collectionKey": b"key", "collectionType": b"type"}
    made, answer = await device.call("POST", "collection/", body)
    answers = [
        made,
        (await program.ask("POST", "photos/?create=true"))[0],
        (await program.ask("POST", f"photos/data/{NAME}", BODY))[0],
    ]
    if made == 201:
        answers.append((await device.batch(item["uid"], make_item()))[0])
        way = "transaction"
        answers.append((await device.batch(item["uid"], make_item(), way=way))[0])
    else:
        assert answer["code"] == "consent_required"
    return answers


async def test_nothing_is_stored_before_consent(place, tmp_path):
    """Records and blobs are stored only after consent, whose receipt names the policy."""
    async with running(place, tmp_path) as cloud:
        device = await cloud.device(agrees=False)
        assert await upload(device) == [403, 403, 403]
        for path in ("usage", "sessions", "app-tokens", "consents", "notices", "export"):
            assert (await device.ask("GET", path))[0] == 200  # the law grants these to owners
        key = SigningKey.generate()
        status, made = await device.agree(key=key)
        assert status == 201
        assert await upload(device) == [201, 200, 200, 200, 200]
        receipt = read_receipt(made["receipt"])
        assert receipt["consentReceiptID"] == made["id"]
        assert receipt["consentTimestamp"] == NOW
        assert receipt["version"] == "KI-CR-v1.1.0"
        assert receipt["record"]["event_state"] == "given"
        assert receipt["device"]["public_key"] == base64.b64encode(bytes(key.verify_key)).decode()
        assert receipt["policy"]["version"] == 1
        status, listed = await device.ask("GET", "consents")
        assert (listed["agreed"], listed["holds"]) == (1, 1)
        assert [each["receipt"] for each in listed["receipts"]] == [made["receipt"]]
        async with cloud.http.get(f"{cloud.url}/policy/id/receipt-key") as answer:
            assert decode_verifier_key((await answer.text()).strip()) == KEY


@on_both
async def test_new_policy_stops_uploads_until_consent(place, tmp_path):
    """A new policy stops uploads from its start until consent, but not downloads.

    Consent may be given before the start.
    """
    async with running(place, tmp_path, policies=(POLICY, NEXT)) as cloud:
        device, early = await cloud.device(), await cloud.device("budi")
        collection = (await device.create())["uid"]
        program = await device.program()
        assert await upload(device) == [201, 200, 200, 200, 200]
        assert (await early.agree(NEXT))[0] == 201
        (notice,) = (await device.ask("GET", "notices"))[1]
        assert (notice["kind"], notice["version"], notice["at"]) == ("policy", 2, NOW + HOUR)
        cloud.clock.seconds += HOUR
        assert (await device.batch(collection, make_item()))[0] == 403
        other = "ab" * 32
        assert (await program.ask("POST", f"photos/data/{other}", BODY))[0] == 403
        assert (await early.create())["uid"]
        assert (await device.call("GET", f"collection/{collection}/item/"))[0] == 200
        assert (await program.ask("GET", f"photos/data/{NAME}"))[1] == BODY
        # restic locks a repository before it reads.
        assert (await program.ask("POST", f"photos/locks/{NAME}", BODY))[0] == 200
        assert (await device.ask("GET", "export"))[0] == 200
        assert (await device.agree(POLICY))[0] == 409
        assert (await device.agree(NEXT))[0] == 201
        assert (await device.batch(collection, make_item()))[0] == 200


async def test_withdrawal_is_one_request(place, tmp_path):
    """Uploads stop; the answer says when all is erased, and a new consent cancels the erasure."""
    async with running(place, tmp_path) as cloud:
        device = await cloud.device()
        collection = (await device.create())["uid"]
        status, gone = await device.ask("POST", "consents/withdrawal")
        assert status == 200
        assert gone["ends_at"] == NOW + 48 * HOUR
        assert gone["begins_at"] == gone["ends_at"] - HOUR
        receipt = read_receipt(gone["receipt"])
        assert receipt["record"]["event_state"] == "withdrawn"
        assert receipt["record"]["processing_ends"] == gone["ends_at"]
        assert (await device.batch(collection, make_item()))[0] == 403
        assert (await device.call("GET", f"collection/{collection}/item/"))[0] == 200
        assert (await device.ask("GET", "usage"))[1]["erases_at"] == gone["begins_at"]
        kinds = [each["kind"] for each in (await device.ask("GET", "notices"))[1]]
        assert kinds == ["policy", "withdrawn"]
        assert (await device.ask("POST", "consents/withdrawal"))[0] == 409
        await device.agree()
        assert (await device.ask("GET", "usage"))[1]["erases_at"] is None
        assert (await device.batch(collection, make_item()))[0] == 200


async def test_withdrawal_has_the_deadline_of_the_agreed_policy(place, tmp_path):
    """The deadline is that of the agreed version, even if another version is in force meanwhile."""
    slow = make_policy(version=2, hours={**HOURS, "stop_after_withdrawal": 500})
    async with running(place, tmp_path, policies=(POLICY,)) as cloud:
        device = await cloud.device()
        await keep_policies(place, slow)
        cloud.clock.seconds += 30
        assert (await device.ask("GET", "consents"))[1]["holds"] == 2
        _, gone = await device.ask("POST", "consents/withdrawal")
        assert gone["ends_at"] == NOW + 30 + 48 * HOUR
        assert read_receipt(gone["receipt"])["policy"]["version"] == 1


async def test_refused_consents(cloud):
    """Statements with another policy or text, too low an age, or a forged signature are refused."""
    device = await cloud.device(agrees=False)
    for changed, refused in (
        ({"region": "eu"}, (409, "other-policy")),
        ({"policy": "0" * 64}, (409, "other-policy")),
        ({"text": "0" * 64}, (409, "other-policy")),
        ({"locale": "de"}, (409, "other-policy")),
        ({"version": 2}, (404, "not-found")),
        ({"version": 0}, (409, "other-policy")),
        ({"at_least": 12}, (422, "too-young")),
        ({"at_least": 13}, (422, "guardian-required")),
        ({"type": "other"}, (422, "bad-statement")),
        ({"more": 1}, (422, "bad-statement")),
    ):
        status, problem = await device.agree(**changed)
        assert (status, problem["type"].removeprefix("urn:hening:problem:")) == refused, changed
    one, other = make_statement(), make_statement(at_least=19)
    for forged in (
        {**one, "signature": other["signature"]},
        {**one, "public_key": other["public_key"]},
        {**one, "statement": one["statement"] + " "},
    ):
        status, problem = await device.ask("POST", "consents", forged)
        assert (status, problem["type"]) == (422, "urn:hening:problem:bad-signature")
    assert (await device.ask("GET", "consents"))[1]["receipts"] == []
    status, made = await device.agree(at_least=13, guardian=True)
    assert status == 201
    assert read_receipt(made["receipt"])["age"] == {"at_least": 13, "guardian": True}


async def test_policies_are_public(place, tmp_path):
    """Anyone can fetch this region's policies and texts, but not those of other regions."""
    async with running(place, tmp_path, policies=(POLICY, NEXT)) as cloud:

        async def get(path):
            async with cloud.http.get(f"{cloud.url}/policy/{path}") as answer:
                return answer.status, await answer.read()

        assert await get("id") == (200, sign(POLICY))
        assert await get("id/2") == (200, sign(NEXT))
        assert (await get("id/1/en"))[1].startswith(b"We keep")
        for path in ("eu", "id/3", "id/1/de", "eu/1", "id/1/en/x"):
            assert (await get(path))[0] == 404
        cloud.clock.seconds += HOUR
        assert await get("id") == (200, sign(NEXT))
