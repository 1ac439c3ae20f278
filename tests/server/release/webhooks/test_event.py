"""Events follow docs/FORMATS.md section 13: members, types and test vector."""

import json
import re
from pathlib import Path

import msgspec

from server.publisher.build_names import BuildName
from server.release.webhooks.event import (
    ChangeRefusedData,
    ChangeWaitingData,
    EventType,
    ExpiringData,
    HaltedData,
    PingData,
    PublishedData,
    RolledOutData,
    encode_event,
    make_event,
    sign_message,
)
from tests.server.release.webhooks.conftest import SUBSCRIBABLE

PAGE = Path(__file__).parents[4] / "docs" / "FORMATS.md"
BUILD = BuildName(2, "1.2.0-id", "14", "2026-02-05", 56_123_456, 1_770_000_000, "Fixes.")
DATA = [
    PublishedData({"armani": 3}, 4, 4),
    RolledOutData("stable", "armani", complete=False, counter=2, permille=10, region="id"),
    HaltedData("stable", "armani", 2, {"en": "It reboots."}, "id"),
    ExpiringData(1_800_086_400, 80, "armani", 3),
    ChangeWaitingData("offer", "3f", "approval"),
    ChangeRefusedData("offer", "3f", "Not on a Friday."),
    PingData(),
]


def section():
    """Return the text of section 13."""
    return re.search(r"^## 13\. .*?(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0]


def test_page_has_every_type_and_member():
    """The page's table has exactly the types and members that are sent."""
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| ([^|]*) \|", section(), re.MULTILINE))
    assert list(rows) == [kind.value for kind in EventType]
    for data in DATA:
        full = msgspec.structs.replace(data, build=BUILD) if hasattr(data, "build") else data
        event = json.loads(encode_event(make_event(full, subject="x", time=1, occasion="1")))
        members = set(re.findall(r"`([a-z_]+)`", rows[event["type"]]))
        assert members == set(event["data"]), event["type"]
        assert set(event) == {"data", "id", "subject", "time", "type"}


def test_vector_of_the_page():
    """The code produces the page's event, id and headers."""
    event = make_event(DATA[1], subject="armani/id/stable", time=1_800_000_000, occasion="2/10")
    body = encode_event(event)
    assert f"```json\n{body.decode()}```" in section()
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", section())[0]
    for name, value in sign_message([secret], event.id, 1_800_000_007, body).items():
        assert f"{name}: {value}\n" in section()


def test_event_ids():
    """An event's id depends on its type, subject and occasion only."""
    made = [
        make_event(data, subject=subject, time=time, occasion=occasion)
        for data, subject, time, occasion in (
            (DATA[1], "a", 1, "1"),
            (DATA[1], "a", 2, "1"),
            (DATA[2], "a", 1, "1"),
            (DATA[1], "b", 1, "1"),
            (DATA[1], "a", 1, "2"),
        )
    ]
    assert made[0].id == made[1].id
    assert len({event.id for event in made}) == 4
    assert all(re.fullmatch(r"evt_[0-9a-f]{32}", event.id) for event in made)


def test_events_name_no_account():
    """No event has a member for an account, because events go to third parties."""
    members = {name for data in DATA for name in msgspec.structs.asdict(data)}
    assert members & {"by", "account", "actor", "name", "proposed_by", "approved_by"} == set()
    assert set(SUBSCRIBABLE) == set(EventType) - {EventType.PING}
