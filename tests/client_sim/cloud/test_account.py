"""The account: what logins, consents, words and devices send, and what they refuse."""

import base64
import hashlib

import pytest

from client_sim.cloud.account import (
    agree,
    change_password,
    check_password,
    fetch_policy,
    log_in,
    log_out,
    sign_up,
    withdraw,
)
from client_sim.cloud.devices import (
    approve,
    list_devices,
    revoke,
    rotate,
    set_approving,
    show_digits,
)
from client_sim.cloud.errors import CloudError, OffError, RefusedError
from client_sim.cloud.owner_data import add_note
from client_sim.cloud.recovery import (
    confirm_words,
    decode_words,
    encode_words,
    find_words,
    make_words,
    propose_password,
    recover,
)
from tests.cases import case
from tests.client_sim.cloud.phones import PASSWORD, make_phone, new_name, set_again, set_up

NEW = "another password of words"


def test_new_phone_is_silent(served, tmp_path):
    """Without account, consent and words the phone is silent and no type can be turned on."""
    phone = make_phone(served, tmp_path)
    cloud = phone.cloud
    assert (cloud.enabled_types, cloud.store.live("note"), cloud.store.conflicts()) == ((), [], [])
    with pytest.raises(OffError):
        phone.sync()
    with pytest.raises(OffError):
        phone.cloud.switch("note", is_on=True)
    assert phone.wire.is_silent
    sign_up(phone.cloud, phone.cloud.regions["id"], new_name(), PASSWORD, "phone")
    phone.wire.forget()
    for step in ("consent", "recovery"):
        with pytest.raises(OffError, match=step):
            phone.cloud.switch("note", is_on=True)
        if step == "consent":
            policy, _ = fetch_policy(phone.cloud, phone.cloud.region, "en")
            agree(phone.cloud, policy, "en", at_least=30, guardian=False)
            phone.wire.forget()
    with pytest.raises(OffError):
        phone.sync()
    assert phone.wire.is_silent


def test_password_keys_and_words_never_leave(served, tmp_path):
    """Passwords, keys, words and values derived from them never leave, in plain, hex or base64."""
    phone = set_up(make_phone(served, tmp_path), new_name())
    cloud = phone.cloud
    add_note(cloud, "title", "text")
    words = make_words(cloud)
    confirm_words(cloud, words, PASSWORD)
    phone.sync()
    change_password(cloud, PASSWORD, NEW)
    rotate(cloud, NEW)
    phone.sync()
    salt = cloud.store.get("salt")
    secrets = [PASSWORD.encode(), NEW.encode(), words.encode(), decode_words(words)]
    secrets += [cloud.derive(each, salt) for each in secrets[:2]]
    secrets += [cloud.keys.key, cloud.keys.identity, bytes(cloud.device_key)[:32]]
    secrets += [each for row in cloud.store.collections() for each in row.key_list]
    secrets += [b"title", hashlib.sha256(PASSWORD.encode()).digest()]
    for secret in secrets:
        for spelled in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")):
            assert spelled not in phone.wire.bytes


def test_proposed_and_refused_passwords(phone):
    """The phone proposes eight words and refuses guessable passwords; the server sees none."""
    proposed = propose_password(phone.cloud.entropy)
    check_password(proposed)
    assert len(proposed.split()) == 8
    for guessed in ("", "short", "aaaaaaaaaaaaaaaa"):
        with pytest.raises(CloudError, match="12 characters"):
            check_password(guessed)


def test_words_are_confirmed_offline(phone):
    """Wrong and swapped words are noticed offline; letter case and spaces do not matter."""
    cloud = phone.cloud
    words = encode_words(bytes(range(16)))
    assert decode_words(f"  {words.upper()} ") == bytes(range(16))
    phone.wire.forget()
    swapped = words.split()
    swapped[0], swapped[1] = swapped[1], swapped[0]
    make_words(cloud)
    for typed, hint in (
        (f"abuot {words.partition(' ')[2]}", "'abuot'.*about"),
        (" ".join(words.split()[:11]), "11 words"),
        (" ".join(swapped), "checksum is wrong"),
        (words, "not the words that the phone created"),
    ):
        with case(typed), pytest.raises(CloudError, match=hint):
            confirm_words(cloud, typed, PASSWORD)
    assert phone.wire.is_silent


def test_recovery_with_words(served, phone, second, tmp_path):
    """All phones are logged out, and the records are there with the new password."""
    add_note(phone.cloud, "a", "b")
    phone.sync()
    words = make_words(phone.cloud)
    confirm_words(phone.cloud, words, PASSWORD)
    third = make_phone(served, tmp_path / "three")
    region, name = third.cloud.regions["id"], phone.cloud.name
    with pytest.raises(RefusedError):
        recover(third.cloud, region, name, encode_words(bytes(16)), NEW)
    recover(third.cloud, region, name, words, NEW)
    for one in (phone, second):
        with pytest.raises(RefusedError, match="logged out"):
            one.sync()
    with pytest.raises(RefusedError, match="password is wrong"):
        log_in(third.cloud, region, name, PASSWORD, "new")
    log_in(third.cloud, region, name, NEW, "new")
    policy, _ = fetch_policy(third.cloud, region, "en")
    agree(third.cloud, policy, "en", at_least=30, guardian=False)
    find_words(third.cloud)
    third.cloud.switch("note", is_on=True)
    third.sync()
    assert third.bodies("note") == [b"a\nb"]


def test_approval_of_a_new_phone(served, phone, tmp_path):
    """Both phones show the same six digits; other digits approve nothing."""
    set_approving(phone.cloud, is_on=True)
    third = make_phone(served, tmp_path / "three")
    waits = log_in(third.cloud, third.cloud.regions["id"], phone.cloud.name, PASSWORD, "tablet")
    assert waits
    with pytest.raises(RefusedError, match="approves it"):
        list_devices(third.cloud)
    digits = show_digits(third.cloud)
    other = "000000" if digits != "000000" else "000001"
    with pytest.raises(CloudError, match="shows these digits"):
        approve(phone.cloud, other)
    assert approve(phone.cloud, f"{digits[:3]} {digits[3:]}") == "tablet"
    assert {each.label for each in list_devices(third.cloud)} == {"phone", "tablet"}
    assert b"tablet" not in third.wire.bytes


def test_revoked_phone_and_its_keys(phone, second):
    """After new keys, the revoked phone's keys open no record that is sent again.

    A new password logs the other phones out, and the old one does not open the account.
    """
    add_note(phone.cloud, "a", "b")
    phone.sync()
    second.sync()
    lost = next(each for each in list_devices(phone.cloud) if not each.is_this)
    revoke(phone.cloud, lost.id)
    with pytest.raises(RefusedError, match="logged out"):
        second.sync()
    known = {key for row in second.cloud.store.collections() for key in row.key_list}
    assert rotate(phone.cloud, PASSWORD) >= 2
    report = phone.sync()
    assert report.sent["note"] == 1
    assert not known & {row.keys[:32] for row in phone.cloud.store.collections()}
    log_out(second.cloud)
    set_again(second, second.cloud.regions["id"], phone.cloud.name, "note")
    second.sync()
    assert second.bodies("note") == [b"a\nb"]
    add_note(second.cloud, "c", "d")
    second.sync()
    phone.sync()
    assert phone.bodies("note") == [b"a\nb", b"c\nd"]
    change_password(phone.cloud, PASSWORD, NEW)
    phone.sync()
    with pytest.raises(RefusedError):
        second.sync()
    log_out(second.cloud)
    region = second.cloud.regions["id"]
    with pytest.raises(RefusedError):
        log_in(second.cloud, region, phone.cloud.name, PASSWORD, "phone")
    log_in(second.cloud, region, phone.cloud.name, NEW, "phone")


def test_minimum_age_of_consent(served, tmp_path):
    """The policy's ages apply; from the minimum age on a guardian's consent is enough."""
    phone = make_phone(served, tmp_path)
    sign_up(phone.cloud, phone.cloud.regions["id"], new_name(), PASSWORD, "phone")
    policy, text = fetch_policy(phone.cloud, phone.cloud.region, "xx")
    assert text.startswith("We keep what your phone encrypts")
    phone.wire.forget()
    for age, guardian in ((12, True), (17, False)):
        with pytest.raises(CloudError):
            agree(phone.cloud, policy, "en", at_least=age, guardian=guardian)
    assert phone.wire.is_silent
    agree(phone.cloud, policy, "en", at_least=13, guardian=True)
    assert [kind for kind, _ in phone.cloud.store.receipts()] == ["consent"]


def test_withdrawal_ends_uploads(phone):
    """A withdrawal turns all types off before it is sent.

    After a logout no key is on the phone, not even in free pages of the database file.
    """
    add_note(phone.cloud, "a", "b")
    found = withdraw(phone.cloud)
    assert found.ends_at <= phone.cloud.now + 48 * 3600
    phone.wire.forget()
    with pytest.raises(OffError):
        phone.sync()
    assert phone.wire.is_silent
    assert [kind for kind, _ in phone.cloud.store.receipts()] == ["consent", "withdrawal"]
    key, token = phone.cloud.keys.key, phone.cloud.store.get("token")
    log_out(phone.cloud)
    data = (phone.cloud.store.folder / "cloud.sqlite").read_bytes()
    assert key not in data
    assert token not in data
    phone.wire.forget()
    with pytest.raises(OffError):
        phone.sync()
    assert phone.wire.is_silent
