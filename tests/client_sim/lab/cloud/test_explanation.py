"""Decryption of everything that a phone sends, with its owner's keys."""

from dataclasses import replace

import pytest

from client_sim.cloud import keys
from client_sim.lab.cloud.explanation import explain_all
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.requests import encode_request, split_requests
from client_sim.lab.cloud.scenarios import CloudScenario, make_owner, run_scenario, steps


@pytest.mark.parametrize("name", ["contacts", "everything"])
def test_every_request_is_opened(name, request):
    """Each is in the table, and no part of it has a problem."""
    run = request.getfixturevalue(name)
    opened, ring = explain_all(run)
    assert len(opened) == len(run.exchanges)
    assert [part for each in opened for part in each.parts if part.problem] == []
    assert all(each.row for each in opened)
    assert ring.not_fresh == []


def test_wrongly_derived_keys_are_found(monkeypatch):
    """Such a phone can decrypt its own records, but other clients of the protocol cannot."""
    derive = keys.kdf
    monkeypatch.setattr(keys, "kdf", lambda key, number, context: derive(key, number + 8, context))
    run = run_scenario(OurPhone, CloudScenario(make_owner("a"), steps("sign-up consent")))
    assert not run.refused
    assert any(part.problem for each in explain_all(run)[0] for part in each.parts)


def test_contact_is_decrypted(contacts):
    """With the owner's password, from the sent bytes, in which its name does not occur."""
    opened, _ = explain_all(contacts)
    texts = [part.plaintext for each in opened for part in each.parts if part.name == "chunk"]
    name = contacts.scenario.owner.contacts[0].name.encode()
    assert any(name in text for text in texts)
    sent = b"".join(each.exchange.request.data for each in opened)
    assert name not in sent


def test_secrets_of_a_run(contacts):
    """At least 60 values that may never leave: passwords, words, keys, and derived values."""
    _, ring = explain_all(contacts)
    assert len(ring.secrets) >= 60
    kinds = {name.rpartition(" ")[0] for name in ring.secrets}
    assert {"password", "words", "main key", "account key", "device seed"} <= kinds


def test_flipped_bit_of_a_ciphertext_is_found(contacts):
    """At a quarter, at half and at three quarters of an upload."""
    number, each = next(
        (number, each)
        for number, each in enumerate(contacts.exchanges)
        if each.request.path.endswith("/transaction/")
    )
    request = each.request
    for quarter in range(1, 4):
        at = request.start + len(request.body) * quarter // 4
        flipped = bytes([request.data[at] ^ 1])
        data = request.data[:at] + flipped + request.data[at + 1 :]
        (changed,), _ = split_requests(data)
        exchanges = list(contacts.exchanges)
        exchanges[number] = replace(each, request=changed)
        opened, _ = explain_all(replace(contacts, exchanges=exchanges))
        assert any(part.problem for part in opened[number].parts)


def test_requests_are_split_by_their_lengths():
    """An incomplete request is returned as the rest."""
    one = encode_request("POST", "/a?b=1", (("Host", "x"), ("Content-Length", "3")), b"abc")
    found, left = split_requests(one + one[:-1])
    assert [(each.method, each.path, each.query, each.body) for each in found] == [
        ("POST", "/a", "b=1", b"abc")
    ]
    assert left == one[:-1]
    assert found[0].header("Host") == "x"
