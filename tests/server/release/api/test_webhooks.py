"""Webhooks over the API: secrets, deliveries and changes."""

from server.release.webhooks.deliveries import enqueue
from tests.server.release.webhooks.conftest import SUBSCRIBABLE, halted

NEW = {"url": "https://hooks.example.org/x", "events": list(SUBSCRIBABLE)}


async def test_deliveries_are_listed(api):
    """Deliveries are listed newest first, with the event as sent."""
    webhook = (await api.call("POST", "/webhooks", body=NEW)).json["id"]
    for number in (1, 2):
        now = api.services.epoch() + number
        async with api.services.sessions.begin() as session:
            await enqueue(session, halted(number, now), now)
    shown = (await api.call("GET", f"/webhooks/{webhook}")).json["deliveries"]
    assert [delivery["event"]["data"]["counter"] for delivery in shown] == [2, 1]
    assert [delivery["attempts"] for delivery in shown] == [0, 0]


async def test_states_of_a_webhook(api):
    """Each change returns the new state; a contradicting one gets 409.

    A private address gets 400, an unknown event type 422, and an unknown webhook 404.
    """
    path = f"/webhooks/{(await api.call('POST', '/webhooks', body=NEW)).json['id']}"
    pinged = await api.call("POST", f"{path}/ping")
    assert pinged.status == 202
    again = f"{path}/deliveries/{pinged.json['delivery']}/redeliver"
    assert (await api.call("POST", again)).status == 409
    off = await api.call("POST", f"{path}/disable")
    assert off.json["disabled_at"] is not None
    assert off.json["deliveries"][0]["last_error"] == "the webhook was switched off"
    assert (await api.call("POST", f"{path}/ping")).status == 409
    assert (await api.call("POST", f"{path}/enable")).json["disabled_at"] is None
    assert (await api.call("POST", again)).status == 202
    for changed, status in (
        ({"url": "https://10.0.0.1/"}, 400),
        ({"events": ["ping"]}, 422),
        ({"events": []}, 422),
    ):
        assert (await api.call("POST", "/webhooks", body=NEW | changed)).status == status
    unknown = "/webhooks/" + "0" * 32
    assert (await api.call("GET", unknown)).status == 404
    for action in ("disable", "enable", "ping", "deliveries/x/redeliver"):
        assert (await api.call("POST", f"{unknown}/{action}")).status == 404


async def test_a_secret_is_shown_once(api):
    """A secret is returned when it is created or rotated, and never again."""
    made = await api.call("POST", "/webhooks", body=NEW)
    assert made.status == 201
    secret, path = made.json["secret"], f"/webhooks/{made.json['id']}"
    assert secret.startswith("whsec_")
    assert made.headers["Location"] == f"/api/v1{path}"
    (listed,) = (await api.call("GET", "/webhooks")).json["items"]
    assert listed == {name: value for name, value in made.json.items() if name != "secret"}
    rotated = await api.call("POST", f"{path}/rotate", body={"overlap": 600})
    assert rotated.status == 200
    assert rotated.json["secret"] != secret
    assert rotated.json["former_until"] - api.services.epoch() in range(595, 601)
    for place in ("/webhooks", path, "/trail?limit=5"):
        answer = await api.call("GET", place)
        assert answer.status == 200
        assert rotated.json["secret"] not in answer.data.decode()
        assert secret not in answer.data.decode()
    for overlap in (-1, 604_801):
        refused = await api.call("POST", f"{path}/rotate", body={"overlap": overlap})
        assert refused.status == 422
    ended = await api.call("POST", f"{path}/rotate", body={"overlap": 0})
    assert ended.json["former_until"] is None
