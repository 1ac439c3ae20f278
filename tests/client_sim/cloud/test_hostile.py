"""False answers of a server that are not in the lab's list (`lab/cloud/lying_servers.py`).

The server is real; its answers are changed before the phone reads them.
"""

from dataclasses import replace

import msgspec
import pytest
from nacl.signing import SigningKey

from client_sim.cloud import wire
from client_sim.cloud.account import agree, fetch_policy, sign_up
from client_sim.cloud.errors import DeceivedError, RefusedError, UnavailableError
from client_sim.cloud.leave import erase, finish_erasure
from client_sim.cloud.owner_data import add_note, add_photo, change
from client_sim.cloud.photos import decode_photo, make_jpeg
from client_sim.cloud.web import Connection, Response
from client_sim.persona import Photo
from server.core.cloud_policy import encode_policy
from server.core.note import VerifierKey
from tests.client_sim.cloud.phones import PASSWORD, make_phone, new_name, wait_for_erasure
from tests.server.cloud.policies import POLICY, make_policy, sign

msgpack = msgspec.msgpack


@pytest.fixture
def lies(monkeypatch):
    """Return a list for lies: functions of method, path, body and answer that return another."""
    active, asked = [], {}
    begin, finish = Connection.begin, Connection.finish

    def note(line, method, path, headers, body=None):
        asked[line] = method, path, body
        begin(line, method, path, headers, body)

    def finish_lying(line):
        answer = finish(line)
        for lie in active:
            answer = lie(*asked[line], answer) or answer
        return answer

    monkeypatch.setattr(Connection, "begin", note)
    monkeypatch.setattr(Connection, "finish", finish_lying)
    return active


def on_items(edit):
    """Return a lie about pages of items: `edit` changes each page."""

    def lie(method, path, _body, answer):
        if method == "GET" and "/item/?" in path and answer.status == 200:
            page = msgpack.decode(answer.body, type=wire.ItemPage)
            edit(page)
            return replace(answer, body=msgpack.encode(page))
        return None

    return lie


def on_collections(body, status):
    """Return a lie that replaces the lists of collections."""
    return lambda _m, path, _b, _a: Response(status, body, 0) if "list_multi" in path else None


def on_members(part, codec=msgspec.json, **members):
    """Return a lie that changes members of a JSON answer, or of one in another codec."""

    def lie(_method, path, _body, answer):
        if part not in path or answer.status >= 300:
            return None
        return replace(answer, body=codec.encode(codec.decode(answer.body) | members))

    return lie


def test_an_older_list_of_a_phone_is_refused(phone, second):
    """An older list is refused, because the lists have numbers that only grow."""
    add_note(phone.cloud, "t", "1\n")
    phone.sync()
    second.sync()
    key = bytes(phone.cloud.device_key.verify_key)
    second.cloud.store.set_head(key, second.cloud.store.head(key) + 1)
    with pytest.raises(DeceivedError, match="older list"):
        second.sync()


def forge(policy, name="hening-policy/id"):
    """Return a policy signed by another key with this name."""
    key = SigningKey(b"\5" * 32)
    verifier = VerifierKey(name, bytes(key.verify_key))
    return encode_policy(policy, verifier, lambda text: key.sign(text).signature)


def test_an_older_policy_is_refused(phone):
    """A policy older than the one that the owner agreed to is refused."""
    phone.cloud.store.set("consent", sign(make_policy(version=7)))
    with pytest.raises(DeceivedError, match="you agreed to 7"):
        fetch_policy(phone.cloud, phone.cloud.region, "en")


def test_a_receipt_of_an_earlier_consent_is_refused(lies, served, tmp_path):
    """A receipt is refused if its signature is valid, but it is about another consent."""
    phone = make_phone(served, tmp_path)
    sign_up(phone.cloud, phone.cloud.regions["id"], new_name(), PASSWORD, "phone")
    policy, _ = fetch_policy(phone.cloud, phone.cloud.region, "en")
    agree(phone.cloud, policy, "en", at_least=30, guardian=False)
    ((_, note),) = phone.cloud.store.receipts()
    lies.append(on_members("consents", receipt=note.decode()))
    with pytest.raises(DeceivedError, match="not about what you signed"):
        agree(phone.cloud, policy, "en", at_least=31, guardian=False)


def test_wrong_usage_is_reported(lies, phone):
    """The owner is warned of lost data, and of a full quota that the numbers contradict."""
    for number in range(20):
        add_note(phone.cloud, f"n{number}", "x" * 900)
    phone.sync()
    add_note(phone.cloud, "more", "x")
    lies.append(on_members("/usage", used=0))
    assert "may have lost some" in phone.sync().warnings[0]
    add_note(phone.cloud, "again", "x")
    full = Response(507, msgpack.encode({"code": "quota_exceeded", "detail": "x"}), 0)
    lies.append(lambda _m, path, _b, _a: full if "/transaction/" in path else None)
    warnings = phone.sync().warnings
    assert any(
        "says that your quota is exceeded, but counts only" in sentence for sentence in warnings
    )


def test_redirects_and_temporary_failures(lies, phone):
    """A redirect is refused; too many requests and failures are reported as temporary.

    An endless list of collections is refused, as an endless list of records is.
    """
    lies[:] = [on_members("list_multi", msgpack, done=False, data=[])]
    with pytest.raises(DeceivedError, match="does not end"):
        phone.sync()
    for status, error in ((302, DeceivedError), (429, UnavailableError), (503, UnavailableError)):
        lies[:] = [on_collections(b"", status)]
        with pytest.raises(error):
            phone.sync()
    lies[:] = [on_collections(b"\x81\xa4code\xa3\x1b[m", 400)]
    with pytest.raises(RefusedError) as refused:
        phone.sync()
    assert "\x1b" not in str(refused.value)


def test_server_restored_from_an_old_backup(lies, phone, second):
    """The server lost a record and has an older version of another; both can be uploaded again."""
    add_note(phone.cloud, "kept", "1\n")
    phone.sync()
    old = []
    lies.append(on_items(lambda page: old.extend(page.data)))
    second.sync()
    kept = phone.cloud.store.live("note")[0].uid
    first = next(item for item in old if item.uid == kept)
    change(phone.cloud, kept, b"kept\n2\n")
    add_note(phone.cloud, "lost", "x\n")
    phone.sync()
    home = phone.cloud.store.collections("note")[0]

    def restored(_method, path, _body, _answer):
        """Refuse cursors, and return the old state."""
        if home.uid in path and "stoken=" in path:
            return Response(400, msgpack.encode({"code": "bad_stoken", "detail": "x"}), 0)
        if home.uid in path and "/item/?" in path:
            page = wire.ItemPage([first], "A" * 38, done=True)
            return Response(200, msgpack.encode(page), 0)
        return None

    lies[:] = [restored]
    phone.cloud.store.set_stoken(home.uid, home.stoken, changed=True)
    with pytest.raises(DeceivedError, match="--upload-missing"):
        phone.sync()
    assert phone.bodies("note") == [b"kept\n2\n", b"lost\nx\n"]
    sent = []

    def keep(_method, path, body, _answer):
        if "/transaction/" in path:
            sent.append(msgpack.decode(body, type=dict[str, list[wire.Item]])["items"])
            return Response(200, b"", 0)
        return None

    lies.append(keep)
    phone.sync(upload_missing=True)
    etags = {item.uid: item.etag for item in sent[0]}
    assert etags.pop(kept) == first.content.uid
    assert list(etags.values()) == [None]
    assert phone.bodies("note") == [b"kept\n2\n", b"lost\nx\n"]


def test_late_erasure_and_wrong_receipt(lies, phone, served):
    """By the phone's clock a late erasure is reported; a wrongly signed receipt is refused."""
    erase(phone.cloud)
    wait_for_erasure(phone)
    lies.append(on_members("/erasure/", receipt=None))
    assert finish_erasure(phone.cloud) is None
    served.clock.seconds += 73 * 3600
    try:
        with pytest.raises(DeceivedError, match=r"not done 72 hours.*privacy@rom\.example"):
            finish_erasure(phone.cloud)
    finally:
        served.clock.seconds -= 73 * 3600
    lies[:] = [on_members("/erasure/", receipt=forge(POLICY, "hening-receipt/id").decode())]
    with pytest.raises(DeceivedError, match="not signed"):
        finish_erasure(phone.cloud)
    lies.clear()
    receipt = finish_erasure(phone.cloud)
    assert receipt is not None
    assert receipt["type"] == "erasure"


def test_refused_piece_is_not_recorded(lies, phone, second):
    """The photo has no recorded pieces, and the next synchronisation sends it."""
    add_photo(phone.cloud, "a.jpg", make_jpeg(Photo("a.jpg", "-5.1", "110.2", 1_767_225_600)))
    lies.append(
        lambda method, path, _b, answer: (
            replace(answer, status=503) if method == "POST" and "/data/" in path else None
        )
    )
    with pytest.raises(UnavailableError):
        phone.sync()
    (row,) = phone.cloud.store.live("photo")
    assert decode_photo(row.body).pieces == []
    lies.clear()
    phone.sync()
    second.sync()
    assert [each.body for each in second.cloud.store.live("photo")] != []
