"""Explains every byte of a phone's requests, decrypted with keys derived from the password."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from mnemonic import Mnemonic
from nacl.signing import SigningKey

from client_sim.lab.cloud.decryption import hkdf, kdf
from client_sim.lab.cloud.double import msgpack
from client_sim.lab.cloud.items import (
    list_multi,
    make_collection,
    new_token,
    piece_of_photo,
    transaction,
)
from client_sim.lab.cloud.keyring import (
    INNER,
    MALFORMED,
    Keyring,
    Part,
    account_of,
    check_members,
    check_signature,
    equal,
    fresh,
    learn,
    make_main_keys,
    open_sealed,
    take_account,
    take_collection,
    to_bytes,
)
from client_sim.lab.cloud.phone import AGE, NEW_PASSWORD
from client_sim.lab.cloud.requests import Request, find_row
from client_sim.lab.cloud.scenarios import CloudRun
from client_sim.lab.cloud.world import NAME, PASSWORD, Exchange


@dataclass(frozen=True, slots=True)
class ExplainedRequest:
    """A request with its row in the table and all of its parts."""

    exchange: Exchange
    row: str
    parts: tuple[Part, ...]


def explain_all(run: CloudRun) -> tuple[list[ExplainedRequest], Keyring]:
    """Open all requests of a scenario in order; also return the keys."""
    ring = Keyring(frozenset(draw.data for draw in run.observation.draws))
    for password in (PASSWORD, NEW_PASSWORD):
        ring.add_secret("password", password.encode())
    for data in ring.drawn:
        if len(data) == 32:
            public = bytes(SigningKey(data).verify_key)
            ring.seeds[public] = data
    found = []
    for each in run.exchanges:
        try:
            parts = tuple(_explain(ring, each, run.on[each.phase]))
        except MALFORMED as error:
            body = each.request.body
            parts = (
                Part("body", body, "", problem=f"it does not have the form of its row ({error})"),
            )
        row = find_row(each.request.method, each.request.path)
        found.append(ExplainedRequest(each, row.line if row else "", parts))
        with suppress(*MALFORMED):
            learn(ring, each)
    return found, ring


def _explain(ring: Keyring, each: Exchange, on: frozenset[str]) -> Iterator[Part]:
    request = each.request
    row = find_row(request.method, request.path)
    if row is None:
        yield Part("request", request.data, "", problem="no row of the table allows this request")
        return
    if not _is_query(row.query, request.query):
        yield Part("query", request.query.encode(), "", problem="not a query of the row")
    yield from _open_headers(ring, each, row.headers)
    kind = ""
    for uid, (name, _) in ring.collections.items():
        if f"/collection/{uid}/" in request.path:
            kind = name
    if kind and kind not in on | INNER:
        yield Part("path", request.path.encode(), "", problem=f"{kind}s are off")
    opener = _BODIES.get(row.line)
    if opener is None:
        if request.body not in {b"", b"{}"}:
            yield Part("body", request.body, "", problem="the row allows no body")
        return
    yield from opener(ring, request, on)


def _is_query(pattern: str, query: str) -> bool:
    return re.fullmatch(pattern, query) is not None or (not query and pattern.endswith(")*"))


def _open_headers(ring: Keyring, each: Exchange, names: tuple[str, ...]) -> Iterator[Part]:
    request = each.request
    found = [name for name, _ in request.headers]
    token = ring.tokens.get(each.device, "")
    if not token and "blobs" not in request.path:  # not logged in
        names = tuple(name for name in names if name != "Authorization")
    if found != ["Host", *names]:
        yield Part("headers", " ".join(found).encode(), "", problem="not the headers of the row")
    for name, value in request.headers:
        problem = ""
        if name == "Host":
            is_right = value == each.host
        elif name == "Authorization":
            is_right = value == f"Token {token}" or value in ring.programs
        elif name == "Content-Length":
            is_right = value == str(len(request.body))
        else:
            is_right = value in {
                *("application/msgpack", "application/json"),
                "application/vnd.x.restic.rest.v2",
            }
        if name in found[: len(names) + 1] and not is_right:
            problem = "not a value of the row"
        yield Part(f"header {name}", value.encode(), "as the table says", problem=problem)


def _sign_up(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    body = msgpack.decode(request.body)
    yield from check_members(body, "user salt loginPubkey pubkey encryptedContent", "sign-up")
    yield from check_members(body["user"], "username email", "user")
    yield equal("username", body["user"]["username"], NAME, "the account's name")
    yield equal("email", body["user"]["email"], "", "nothing")
    yield fresh(ring, "salt", body["salt"], "random")
    main_keys = make_main_keys(ring, body["salt"])
    publics = [_login_key(main) for main in main_keys]
    yield equal("loginPubkey", body["loginPubkey"], publics[0], "public key of the login")
    yield take_account(ring, body["encryptedContent"], is_new=True)
    yield equal("pubkey", body["pubkey"], account_of(ring).public_key, "public key of the account")


def _login_key(main: bytes) -> bytes:
    return bytes(SigningKey(kdf(main, 3, "Main")).verify_key)


def _challenge(_ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    body = msgpack.decode(request.body)
    yield from check_members(body, "username", "challenge")
    yield equal("username", body["username"], NAME, "the account's name")


def _signed(
    ring: Keyring, request: Request, action: str, more: str
) -> tuple[list[Part], dict[str, Any]]:
    """Return the parts of a signed response, and its content."""
    is_json = request.path.startswith("/account")
    body = (json.loads if is_json else msgpack.decode)(request.body)
    response, signature = (to_bytes(body[name]) for name in ("response", "signature"))
    content = (json.loads if is_json else msgpack.decode)(response)
    challenge = to_bytes(content["challenge"])
    problem = "" if challenge in ring.challenges else "not a challenge from the server"
    keys = [_login_key(main) for main in ring.main_keys]
    parts = [
        *check_members(body, "response signature", "signed request"),
        *check_members(content, f"username challenge host action {more}", action),
        equal("username", content["username"], NAME, "the account's name"),
        equal("action", content["action"], action, "what is asked"),
        equal("host", content["host"], request.header("Host"), "the region's host"),
        Part("challenge", challenge, "given back once, signed", problem=problem),
        check_signature(signature, response, keys),
    ]
    return parts, content


def _login(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    yield from _signed(ring, request, "login", "")[0]


def _change_password(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    parts, content = _signed(ring, request, "changePassword", "loginPubkey encryptedContent")
    yield from parts
    publics = [_login_key(main) for main in ring.main_keys]
    is_own = content["loginPubkey"] in publics
    yield equal("loginPubkey", is_own, True, "public key of the login")
    yield take_account(ring, content["encryptedContent"], is_new=False)


def _device(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    body = json.loads(request.body)
    yield from check_members(body, "key label", "device")
    key = to_bytes(body["key"])
    if key in ring.seeds:
        ring.add_secret("device seed", ring.seeds[key])
    else:
        ring.not_fresh.append(Part("device key", key, "not derived from a random seed"))
    ring.devices.add(key)
    yield Part("key", key, "public key of the device")
    label = open_sealed(ring, "label", to_bytes(body["label"]), account_of(ring).cipher, "its name")
    yield label
    if label.plaintext:
        yield equal("length of the label", len(label.plaintext), 64, "the same for all labels")
        ring.contents.append(("label", label.plaintext))


def _consent(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    body = json.loads(request.body)
    yield from check_members(body, "statement public_key signature", "consent")
    content = json.loads(body["statement"])
    terms = ring.policy
    expected = {
        "at_least": AGE,
        "guardian": False,
        "locale": "en",
        "policy": ring.policy_hash,
        "region": terms.get("region"),
        "schema": 1,
        "text": terms.get("text", {}).get("en"),
        "type": "consent",
        "version": terms.get("version"),
    }
    yield equal("statement", content, expected, "what the owner agreed to")
    key = to_bytes(body["public_key"])
    yield equal("public_key", key in ring.devices, True, "public key of the device")
    yield check_signature(to_bytes(body["signature"]), body["statement"].encode(), [key])


def _recovery(ring: Keyring, content: dict[str, Any]) -> Iterator[Part]:
    yield from check_members(content, "key wrap words", "recovery")
    words = open_sealed(
        ring, "words", to_bytes(content["words"]), account_of(ring).cipher, "the words"
    )
    yield words
    if not words.plaintext:
        return
    by_words = hkdf(words.plaintext, "hening recovery wrap 1")
    proof = hkdf(words.plaintext, "hening recovery proof 1")
    if words.plaintext not in ring.secrets.values():
        fresh(ring, "recovery words", words.plaintext, "random")
        ring.add_secret("words", words.plaintext)
        ring.add_secret("words as text", Mnemonic("english").to_mnemonic(words.plaintext).encode())
        ring.add_secret("words' wrap", by_words)
        ring.add_secret("words' proof", proof)
    public = bytes(SigningKey(proof).verify_key)
    yield equal("key", to_bytes(content["key"]), public, "public key of the words")
    meaning = "the account's keys, by the words"
    wrap = open_sealed(ring, "wrap", to_bytes(content["wrap"]), by_words, meaning)
    yield wrap
    account = account_of(ring)
    yield equal("wrap", wrap.plaintext, account.key + account.identity, "the account's keys")


def _set_words(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    parts, content = _signed(ring, request, "setRecovery", "recovery")
    yield from parts
    yield from _recovery(ring, content["recovery"])


def _rotate(ring: Keyring, request: Request, _on: frozenset[str]) -> Iterator[Part]:
    more = "wrap public_key collections recovery"
    parts, content = _signed(ring, request, "rotate", more)
    yield from parts
    yield take_account(ring, to_bytes(content["wrap"]), is_new=True)
    yield equal(
        "public_key", to_bytes(content["public_key"]), account_of(ring).public_key, "public key"
    )
    yield from _recovery(ring, content["recovery"])
    for each in content["collections"]:
        yield from check_members(each, "uid key type members", "collection")
        yield equal("members", each["members"], [], "nobody else")
        kind = to_bytes(each["type"])
        yield from take_collection(ring, each["uid"], to_bytes(each["key"]), kind, is_new=True)


_Opener = Callable[[Keyring, Request, frozenset[str]], Iterator[Part]]
_BODIES: Final[Mapping[str, _Opener]] = {
    "POST /api/v1/authentication/signup/": _sign_up,
    "POST /api/v1/authentication/login_challenge/": _challenge,
    "POST /api/v1/authentication/login/": _login,
    "POST /api/v1/authentication/change_password/": _change_password,
    "PUT /account/1/device": _device,
    "POST /account/1/consents": _consent,
    "PUT /account/1/recovery": _set_words,
    "POST /account/1/rotate": _rotate,
    "POST /api/v1/collection/list_multi/": list_multi,
    "POST /api/v1/collection/": make_collection,
    "POST /api/v1/collection/UID/item/transaction/": transaction,
    "POST /account/1/app-tokens": new_token,
    "POST /blobs/photos/data/NAME": piece_of_photo,
}
