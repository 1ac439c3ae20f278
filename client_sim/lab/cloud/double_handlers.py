"""The request handlers of the double, by method and path (FORMATS section 17)."""

import base64
import hashlib
import json
from typing import Any

from client_sim.lab.cloud.double import (
    TEXT,
    Account,
    Double,
    RefusedError,
    decode_body,
    read_note,
    route,
)
from client_sim.lab.cloud.requests import Request

_API = "/api/v1"
_UID = "([A-Za-z0-9_-]{20,64})"
_HOUR = 3600
_QUOTA = 1 << 30
_PAGE = 100


@route("GET", "/policy/[a-z]+")
def _policy(cloud: Double, _request: Request) -> tuple[int, bytes]:
    return 200, cloud.policy


@route("GET", "/policy/[a-z]+/receipt-key")
def _receipt_key(cloud: Double, _request: Request) -> tuple[int, bytes]:
    return 200, cloud.receipt_key()


@route("GET", "/policy/[a-z]+/[0-9]+/en")
def _policy_text(_cloud: Double, _request: Request) -> tuple[int, bytes]:
    return 200, TEXT.encode()


@route("POST", f"{_API}/authentication/signup/")
def _sign_up(cloud: Double, request: Request) -> tuple[int, Any]:
    body = decode_body(request)
    name = body["user"]["username"]
    number = cloud.hash_name(name)
    if number in cloud.accounts:
        raise RefusedError(409, "user_exists")
    salt = cloud.salt_of("all") if "one-salt" in cloud.flaws else body["salt"]
    account = Account(
        cloud.draw(),
        cloud.seal(
            name=name.encode(),
            salt=salt,
            login=body["loginPubkey"],
            public=body["pubkey"],
            wrap=body["encryptedContent"],
        ),
    )
    cloud.accounts[number] = account
    return 201, _login_answer(cloud, name, account)


def _login_answer(cloud: Double, name: str, account: Account) -> dict[str, Any]:
    user = {
        "username": name,
        "email": "",
        "pubkey": cloud.unseal(account, "public"),
        "encryptedContent": cloud.unseal(account, "wrap"),
    }
    return {"token": cloud.begin_session(name, account), "user": user}


@route("POST", f"{_API}/authentication/login_challenge/")
def _challenge(cloud: Double, request: Request) -> tuple[int, Any]:
    name = decode_body(request)["username"]
    account = cloud.accounts.get(cloud.hash_name(name))
    salt = cloud.salt_of(name)
    if account is not None:
        salt = cloud.unseal(account, "salt")
    elif "tells-unknown" in cloud.flaws:
        raise RefusedError(404, "not_found")
    elif "fast-unknown" not in cloud.flaws:
        cloud.work += 1
    return 200, {"salt": salt, "challenge": cloud.draw(32).encode(), "version": 1}


@route("POST", f"{_API}/authentication/login/")
def _login(cloud: Double, request: Request) -> tuple[int, Any]:
    name = cloud.verify(request, "login")["username"]
    return 200, _login_answer(cloud, name, cloud.accounts[cloud.hash_name(name)])


@route("POST", f"{_API}/authentication/logout/")
def _logout(cloud: Double, request: Request) -> tuple[int, bytes]:
    account, number = cloud.find(request)
    if "keeps-sessions" not in cloud.flaws:
        del account.sessions[number]
    return 204, b""


@route("POST", f"{_API}/authentication/change_password/")
def _change_password(cloud: Double, request: Request) -> tuple[int, bytes]:
    account, number = cloud.find(request)
    content = cloud.verify(request, "changePassword")
    account.sealed |= cloud.seal(login=content["loginPubkey"], wrap=content["encryptedContent"])
    account.sessions = {number: account.sessions[number]}
    return 200, b""


@route("PUT", "/account/1/device")
def _device(cloud: Double, request: Request) -> tuple[int, Any]:
    account, number = cloud.find(request)
    session, body = account.sessions[number], decode_body(request)
    session |= {"key": body["key"], "label": body["label"]}
    return 200, {"id": session["id"], "state": session["state"]}


@route("GET", "/account/1/sessions")
def _sessions(cloud: Double, request: Request) -> tuple[int, Any]:
    account, number = cloud.find(request)
    return 200, [
        {**each, "created_at": 0, "expires_at": 1 << 33, "is_this": name == number}
        for name, each in account.sessions.items()
    ]


@route("POST", "/account/1/consents")
def _consent(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    body = decode_body(request)
    statement = json.loads(body["statement"])
    if statement["policy"] != _cite_policy(cloud)["sha256"]:
        raise RefusedError(409, "other_policy")
    account.consents.append(statement)
    device = {
        "public_key": body["public_key"],
        "statement": hashlib.sha256(body["statement"].encode()).hexdigest(),
    }
    return 201, {"receipt": _consent_receipt(cloud, account, "given", device=device)}


@route("POST", "/account/1/consents/withdrawal")
def _withdraw(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    account.consents.clear()
    now = int(cloud.now())
    note = _consent_receipt(cloud, account, "withdrawn")
    return 200, {"receipt": note, "erasure": cloud.draw(), "begins_at": now, "ends_at": now}


def _consent_receipt(cloud: Double, account: Account, state: str, **more: Any) -> str:
    return cloud.receipt(
        type="consent",
        policy=_cite_policy(cloud),
        piiPrincipalId=hashlib.sha256(account.id.encode()).hexdigest(),
        record={"event_state": state},
        **more,
    )


def _cite_policy(cloud: Double) -> dict[str, Any]:
    sha256 = hashlib.sha256(cloud.policy.rpartition(b"\n\n")[0] + b"\n").hexdigest()
    version = int(read_note(cloud.policy)["version"])
    return {"region": cloud.name, "sha256": sha256, "version": version}


@route("GET", "/account/1/recovery")
def _words(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    if not account.recovery:
        raise RefusedError(404, "not_found")
    return 200, {name: base64.b64encode(value).decode() for name, value in account.recovery.items()}


@route("PUT", "/account/1/recovery")
def _set_words(cloud: Double, request: Request) -> tuple[int, bytes]:
    account, _ = cloud.find(request)
    content = cloud.verify(request, "setRecovery")["recovery"]
    account.recovery = {name: base64.b64decode(value) for name, value in content.items()}
    return 204, b""


@route("POST", "/account/1/rotate")
def _rotate(cloud: Double, request: Request) -> tuple[int, bytes]:
    account, number = cloud.find(request)
    content = cloud.verify(request, "rotate")
    new = {name: base64.b64decode(content[name]) for name in ("wrap", "public_key")}
    account.sealed |= cloud.seal(wrap=new["wrap"], public=new["public_key"])
    for each in content["collections"]:
        entry = account.collections[each["uid"]]
        entry["collectionKey"] = base64.b64decode(each["key"])
        entry["collectionType"] = base64.b64decode(each["type"])
    recovery = content.get("recovery", {})
    account.recovery |= {name: base64.b64decode(value) for name, value in recovery.items()}
    account.sessions = {number: account.sessions[number]}
    return 204, b""


@route("POST", "/account/1/app-tokens")
def _program(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    token = cloud.draw(32)
    account.programs.append(hashlib.sha256(token.encode()).digest())
    return 201, {"id": cloud.draw(), "token": token}


@route("GET", "/account/1/usage")
def _usage(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    used = sum(map(len, (account.vault or {}).values()))
    for item in (each[-1] for each in account.items.values()):
        used += len(item["content"]["meta"]) + sum(len(c[1]) for c in item["content"]["chunks"])
    return 200, {"quota": _QUOTA, "used": used, "erases_at": None}


@route("POST", "/account/1/erasure")
def _erase(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    name = next(name for name, each in cloud.accounts.items() if each is account)
    number, now = cloud.draw(), int(cloud.now())
    times = {"asked": now, "done": now + 1, "due": now + 72 * _HOUR}
    receipt = cloud.receipt(
        type="erasure",
        id=number,
        account=hashlib.sha256(account.id.encode()).hexdigest(),
        policy=_cite_policy(cloud),
        last_backup_gone=now + 14 * 24 * _HOUR,
        **times,
    )
    erasure = {"id": number, "step": "announced", "begins_at": now, "due_at": times["due"]}
    cloud.erase(name, account)
    cloud.erased[number] = {**erasure, "step": "done", "receipt": receipt}
    return 202, {**erasure, "receipt": None}


@route("GET", "/erasure/([A-Za-z0-9_-]{22})")
def _erasure(cloud: Double, _request: Request, number: str) -> tuple[int, Any]:
    if number not in cloud.erased:
        raise RefusedError(404, "not_found")
    return 200, cloud.erased[number]


@route("GET", f"{_API}/collection/")
def _list_all(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    return 200, _page(list(account.collections.values()), request, "changes")


@route("POST", f"{_API}/collection/list_multi/")
def _list_multi(cloud: Double, request: Request) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    types = decode_body(request)["collectionTypes"]
    found = [each for each in account.collections.values() if each["collectionType"] in types]
    return 200, _page(found, request, "changes")


@route("POST", f"{_API}/collection/")
def _make_collection(cloud: Double, request: Request) -> tuple[int, bytes]:
    account, _ = cloud.find(request)
    _check_consent(account)
    body = decode_body(request)
    account.changes += 1
    uid = body["item"]["uid"]
    entry = {**body, "accessLevel": 2, "changes": account.changes, "sequence": 0}
    account.collections[uid] = entry
    return 201, b""


@route("GET", f"{_API}/collection/{_UID}/item/")
def _list_items(cloud: Double, request: Request, uid: str) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    if uid not in account.collections:
        raise RefusedError(404, "not_found")
    found = [each[-1] for each in account.items.values() if each[-1]["home"] == uid]
    return 200, _page(found, request, "sequence")


def _page(found: list[dict[str, Any]], request: Request, by: str) -> dict[str, Any]:
    """Return the first entries after the request's cursor, which is a count."""
    token = dict(each.split("=") for each in request.query.split("&") if each).get("stoken")
    after = 0
    if token:
        cursor = base64.urlsafe_b64decode(token + "==")
        if cursor[:4] != b"lab1":
            raise RefusedError(400, "bad_stoken")
        after = int.from_bytes(cursor[4:], "big")
    found = sorted((each for each in found if each[by] > after), key=lambda each: int(each[by]))
    page, rest = found[:_PAGE], found[_PAGE:]
    top = page[-1][by] if page else after
    stoken = base64.urlsafe_b64encode(b"lab1" + int(top).to_bytes(24, "big")).rstrip(b"=").decode()
    hidden = {"home", "sequence", "changes"}
    data = [{name: value for name, value in each.items() if name not in hidden} for each in page]
    return {"data": data, "stoken": stoken, "done": not rest}


@route("POST", f"{_API}/collection/{_UID}/item/transaction/")
def _transaction(cloud: Double, request: Request, uid: str) -> tuple[int, bytes]:
    account, _ = cloud.find(request)
    _check_consent(account)
    entry, items = account.collections[uid], decode_body(request)["items"]
    for item in items:
        known = account.items.get(item["uid"], [])
        if (known[-1]["content"]["uid"] if known else None) != item.get("etag"):
            raise RefusedError(409, "item_failed")
    for item in items:
        account.changes += 1
        entry["sequence"] += 1
        entry["changes"] = account.changes
        stored = {name: value for name, value in item.items() if name != "etag"}
        revisions = account.items.setdefault(item["uid"], [])
        revisions.append({**stored, "home": uid, "sequence": entry["sequence"]})
    return 200, b""


def _check_consent(account: Account) -> None:
    if not account.consents:
        raise RefusedError(403, "consent_required")


@route("GET", f"{_API}/collection/{_UID}/item/{_UID}/revision/")
def _revisions(cloud: Double, request: Request, _uid: str, item: str) -> tuple[int, Any]:
    account, _ = cloud.find(request)
    found = [each["content"] for each in reversed(account.items.get(item, []))]
    return 200, {"data": found, "iterator": None, "done": True}


@route("POST", "/blobs/photos/")
def _make_vault(cloud: Double, request: Request) -> tuple[int, bytes]:
    account = _open_blobs(cloud, request)
    account.vault = account.vault or {}
    return 200, b""


@route("GET", "/blobs/photos/data/")
def _list_vault(cloud: Double, request: Request) -> tuple[int, bytes]:
    account = _open_blobs(cloud, request)
    if account.vault is None:
        raise RefusedError(404, "not_found")
    listed = [{"name": name, "size": len(body)} for name, body in account.vault.items()]
    return 200, json.dumps(listed).encode()


@route("POST", "/blobs/photos/data/([0-9a-f]{64})")
def _store(cloud: Double, request: Request, name: str) -> tuple[int, bytes]:
    account = _open_blobs(cloud, request)
    assert account.vault is not None
    account.vault[name] = request.body
    return 200, b""


@route("GET", "/blobs/photos/data/([0-9a-f]{64})")
def _load(cloud: Double, request: Request, name: str) -> tuple[int, bytes]:
    account = _open_blobs(cloud, request)
    if name not in (account.vault or {}):
        raise RefusedError(404, "not_found")
    return 200, (account.vault or {})[name]


@route("DELETE", "/blobs/photos/data/([0-9a-f]{64})")
def _remove(cloud: Double, request: Request, name: str) -> tuple[int, bytes]:
    account = _open_blobs(cloud, request)
    (account.vault or {}).pop(name, None)
    return 200, b""


def _open_blobs(cloud: Double, request: Request) -> Account:
    login = request.header("Authorization").removeprefix("Basic ")
    token = base64.b64decode(login).partition(b":")[2]
    for account in cloud.accounts.values():
        if hashlib.sha256(token).digest() in account.programs:
            return account
    raise RefusedError(401, "invalid_token")
