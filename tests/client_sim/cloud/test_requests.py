"""The table of requests in docs/PRIVACY.md, compared with those of an owner's whole story."""

import re
from pathlib import Path

import pytest

from client_sim.cloud.account import change_password, fetch_policy, log_out
from client_sim.cloud.devices import list_devices, revoke, rotate, set_approving
from client_sim.cloud.leave import erase, finish_erasure
from client_sim.cloud.owner_data import change, plant
from client_sim.persona import make_persona
from tests.client_sim.cloud.phones import PASSWORD, make_phone, new_name, set_up, wait_for_erasure

PAGE = (Path(__file__).parents[3] / "docs" / "PRIVACY.md").read_text()
TABLE = PAGE.split("## The phone's requests to its cloud")[1].split("\n## ")[0]
HEADERS = {"Host", "Authorization", "Accept", "Content-Type", "Content-Length"}
NAMES = {
    "REGION": "[a-z]+",
    "VERSION": "[0-9]+",
    "LOCALE": "[a-z]+",
    "UID": "[A-Za-z0-9_-]{20,64}",
    "ID": "[A-Za-z0-9_-]{22}",
    "NAME": "[0-9a-f]{64}",
}
ROWS = re.findall(r"`((?:GET|PUT|POST|DELETE) /[^`]*)`", TABLE)
QUERIES = re.compile(
    r"(?:create=true|(?:limit=(?:50|100|500)|prefetch=medium|stoken=[A-Za-z0-9_-]{38}))"
    r"(?:&(?:prefetch=medium|stoken=[A-Za-z0-9_-]{38}))*"
)
REQUEST = re.compile(
    rb"(GET|PUT|POST|DELETE|HEAD|PATCH) ([^ ]+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL
)


def find_row(line):
    """Return the table's row that a request matches, or None."""
    for row in ROWS:
        pattern = re.sub(r"[A-Z]{2,}", lambda name: NAMES.get(name[0], name[0]), row)
        if re.fullmatch(pattern, line):
            return row
    return None


@pytest.fixture(scope="module")
def story(served, tmp_path_factory):
    """Let an owner do almost everything; return method, target and header lines of each request."""
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
    sent = [data for one in phones for data in one.wire.sent]
    return [found.groups() for data in sent if (found := REQUEST.match(data))]


def test_every_request_is_a_row_of_the_page(story):
    """Each request's method and path match a row; its query has only a few known words."""
    used = set()
    for method, target, _ in story:
        path, _, query = target.decode().partition("?")
        row = find_row(f"{method.decode()} {path}")
        assert row, (method, path)
        assert not query or QUERIES.fullmatch(query), query
        used.add(row)
    assert len(used) > 20


def test_headers_of_requests(story):
    """Requests have no User-Agent, language, cookie or date."""
    for _, _, lines in story:
        names = [line.partition(b":")[0].decode() for line in lines.split(b"\r\n")]
        assert set(names) <= HEADERS
        assert len(set(names)) == len(names)
        assert names[0] == "Host"


def test_password_is_not_sent_to_the_blobs_api(story):
    """The blobs API gets a token instead of the password."""
    basics = {lines for _, _, lines in story if b"Basic" in lines}
    assert basics
    assert not any(PASSWORD.encode() in lines for lines in basics)
