"""The table of requests, compared with those of an owner's whole story.

`tests/repo/test_cloud_table.py` compares the table with docs/PRIVACY.md.
"""

import base64
import re

import pytest

from client_sim.cloud.account import change_password, fetch_policy, log_out
from client_sim.cloud.devices import list_devices, revoke, rotate, set_approving
from client_sim.cloud.leave import erase, finish_erasure
from client_sim.cloud.owner_data import change, plant
from client_sim.lab.cloud.requests import find_row, split_requests
from client_sim.persona import make_persona
from tests.client_sim.cloud.phones import PASSWORD, make_phone, new_name, set_up, wait_for_erasure


@pytest.fixture(scope="module")
def story(served, tmp_path_factory):
    """Let an owner do almost everything; return each request."""
    folder = tmp_path_factory.mktemp("story")
    phone = set_up(make_phone(served, folder / "one"), new_name())
    second = set_up(make_phone(served, folder / "two"), phone.cloud.name, is_new=False)
    persona = make_persona(4)
    plant(phone.cloud, persona)
    phone.sync()
    second.sync()
    change(phone.cloud, phone.cloud.store.live("photo")[0].uid, None)
    phone.sync()
    set_approving(phone.cloud, is_on=True)
    (other,) = (each for each in list_devices(phone.cloud) if not each.is_this)
    revoke(phone.cloud, other.id)
    change_password(phone.cloud, PASSWORD, "another password of words")
    rotate(phone.cloud, "another password of words")
    phone.sync()
    third = set_up(make_phone(served, folder / "three"), f"{phone.cloud.name}x", on=())
    log_out(third.cloud)
    fetch_policy(phone.cloud, phone.cloud.region, "en")
    erase(phone.cloud)
    wait_for_erasure(phone)
    finish_erasure(phone.cloud)
    phones = phone, second, third
    for one in phones:
        one.cloud.store.close()
    sent, rest = split_requests(b"".join(one.wire.bytes for one in phones))
    assert rest == b""
    return sent


def test_every_request_is_in_the_table(story):
    """Each request matches a row: method and path, query, and headers in their order."""
    used = set()
    for each in story:
        row = find_row(each.method, each.path)
        assert row, each.target
        assert not each.query or re.fullmatch(row.query, each.query), each.target
        names = [name for name, _ in each.headers]
        login = [name for name in row.headers if name == "Authorization" and name not in names]
        assert names == ["Host", *(name for name in row.headers if name not in login)], each.target
        used.add(row)
    assert len(used) > 20


def test_password_is_not_sent_to_the_blobs_api(story):
    """The blobs API gets a token instead of the password."""
    basics = {each.header("Authorization") for each in story if each.path.startswith("/blobs/")}
    assert basics
    for basic in basics:
        assert PASSWORD.encode() not in base64.b64decode(basic.removeprefix("Basic "))
