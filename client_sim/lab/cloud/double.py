"""A cloud server in this process, written from FORMATS section 17 and independent of `server`.

It stores ciphertext and counts its work, so that a run can examine both. `flaws` make it a leaky
server.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey

from client_sim.cloud.account import Region
from client_sim.cloud.policy import encode_canonical
from client_sim.lab.cloud.requests import Request
from client_sim.tape import Tape

msgpack = msgspec.msgpack
TEXT: Final = "Your backup is encrypted on your phone. We cannot read it.\n"
FLAWS: Final = {
    "plain-name": "stores names in clear in its database",
    "plain-key": "stores login keys and wraps in clear, so that a thief can try passwords",
    "logs-name": "writes the name at each login into its log",
    "logs-token": "writes tokens into its log",
    "logs-path": "writes each request's path and second into its log",
    "fast-unknown": "does less work for an unknown name",
    "tells-unknown": "answers an unknown name differently",
    "keeps-rows": "keeps an erased account's rows",
    "keeps-bodies": "keeps an erased account's photos",
    "keeps-sessions": "serves a device that has logged out",
    "counts-logins": "keeps the second of each login",
    "one-salt": "gives the same salt to all accounts",
}
"""The descriptions of leaky servers, by id."""


class RefusedError(Exception):
    """A refused request: its status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Account:
    """The server's data of one account; only the pepper opens the sealed columns."""

    id: str
    sealed: dict[str, bytes]
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)
    collections: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    recovery: dict[str, bytes] = field(default_factory=dict)
    programs: list[bytes] = field(default_factory=list)
    vault: dict[str, bytes] | None = None
    changes: int = 0


class Double:
    """The server of one region; `now` is its clock (epoch seconds), `work` counts costly steps."""

    def __init__(
        self,
        region: str,
        now: Callable[[], float],
        *,
        version: int = 1,
        flaws: str = "",
        seed: bytes = b"",
    ) -> None:
        self.now = now
        self.flaws = flaws
        self.work = 0
        self.accounts: dict[str, Account] = {}
        self.erased: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self._leftover: dict[str, bytes] = {}
        self._tape = Tape(f"double {region} ".encode() + seed)
        self._pepper = self._tape.data(32)
        self._salts = self._tape.data(32)
        self._policy_key = SigningKey(hashlib.sha256(b"policy " + region.encode()).digest())
        self._receipt_key = SigningKey(self._tape.data(32))
        self.name = region
        self.region = Region(
            region,
            f"https://cloud.{region}.lab.example",
            _verifier(f"hening-policy/{region}", self._policy_key),
        )
        self.policy = self.make_policy(version)

    @property
    def host(self) -> str:
        """The host name of its origin."""
        return self.region.origin.removeprefix("https://")

    def make_policy(self, version: int, key: SigningKey | None = None, **more: Any) -> bytes:
        """Return a policy as a signed note."""
        content = {
            "controller": {"contact": "privacy@lab.example", "name": "Lab"},
            "country": "ID",
            "days": {
                "backups": 14,
                "inactive": 730,
                "notice": 30,
                "quarantine": 90,
                "revisions": 30,
                "session_idle": 180,
                "tombstones": 400,
            },
            "from": 0,
            "guardian_below": 18,
            "hours": {
                "access": 72,
                "breach_notice": 72,
                "erase": 72,
                "export": 72,
                "stop_after_withdrawal": 72,
            },
            "laws": [],
            "logs_days": 30,
            "may_live_in": ["ID"],
            "minimum_age": 13,
            "purposes": ["encrypted backup"],
            "receipts": _verifier(f"hening-receipt/{self.name}", self._receipt_key),
            "region": self.name,
            "schema": 1,
            "text": {"en": hashlib.sha256(TEXT.encode()).hexdigest()},
            "transfer": {"allowed": False, "basis": ""},
            "version": version,
            **more,
        }
        return _sign(
            encode_canonical(content), f"hening-policy/{self.name}", key or self._policy_key
        )

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Answer a request with a status and a body."""
        is_json = request.path.startswith(("/account", "/erasure"))
        if "logs-path" in self.flaws:
            self.log.append(f"{self.now():.0f} {request.method} {request.path}")
        try:
            status, value = self._route(request)
            if isinstance(value, bytes):
                return status, value
            return status, json.dumps(value).encode() if is_json else msgpack.encode(value)
        except RefusedError as refused:
            if is_json:
                code = refused.code.replace("_", "-")
                return refused.status, json.dumps({"type": f"urn:hening:problem:{code}"}).encode()
            return refused.status, msgpack.encode({"code": refused.code, "detail": ""})
        except (KeyError, TypeError, ValueError, msgspec.DecodeError):
            return 400, msgpack.encode({"code": "malformed", "detail": ""})

    def _route(self, request: Request) -> tuple[int, Any]:
        path = request.path
        for method, pattern, call in _ROUTES:
            if method == request.method and (found := pattern.fullmatch(path)) is not None:
                return call(self, request, *found.groups())
        raise RefusedError(404, "not_found")

    def dump(self) -> bytes:
        """Return everything that the server stores: tables, bodies, log."""
        rows = {name: msgspec.to_builtins(vars(each)) for name, each in self.accounts.items()}
        rest = [self.erased, self._leftover, self.log]
        return msgpack.encode([rows, *rest])

    def draw(self, n: int = 16) -> str:
        """Draw an id of `n` random bytes."""
        return base64.urlsafe_b64encode(self._tape.data(n)).rstrip(b"=").decode()

    def hash_name(self, name: str) -> str:
        """Return the key under which a name is stored; with a flaw, the name itself."""
        if "plain-name" in self.flaws:
            return name
        self.work += 1
        return hmac.new(self._pepper, name.encode(), "sha256").hexdigest()

    def seal(self, **values: bytes) -> dict[str, bytes]:
        """Encrypt columns with the pepper."""
        if "plain-key" in self.flaws:
            return values
        box = SecretBox(self._pepper)
        return {name: bytes(box.encrypt(v, self._tape.data(24))) for name, v in values.items()}

    def unseal(self, account: Account, name: str) -> bytes:
        """Decrypt a column."""
        self.work += 1
        value = account.sealed[name]
        return value if "plain-key" in self.flaws else SecretBox(self._pepper).decrypt(value)

    def salt_of(self, name: str) -> bytes:
        """Return a salt for a name, even if it is unknown."""
        return hmac.new(self._salts, name.encode(), "sha256").digest()

    def find(self, request: Request) -> tuple[Account, str]:
        """Return the account and the token's hash of a request; raise RefusedError."""
        token = request.header("Authorization").removeprefix("Token ")
        number = hashlib.sha256(token.encode()).hexdigest()
        for account in self.accounts.values():
            if number in account.sessions:
                return account, number
        raise RefusedError(401, "invalid_token")

    def verify(self, request: Request, action: str) -> dict[str, Any]:
        """Return the content of a signed response; raise RefusedError if it is invalid."""
        body = decode_body(request)
        is_json = request.path.startswith("/account")
        response, signature = body["response"], body["signature"]
        if is_json:
            response, signature = base64.b64decode(response), base64.b64decode(signature)
        content: dict[str, Any] = (json.loads if is_json else msgpack.decode)(response)
        account = self.accounts.get(self.hash_name(content["username"]))
        if account is None:
            raise RefusedError(401, "login_bad_signature")
        try:
            VerifyKey(self.unseal(account, "login")).verify(response, signature)
        except BadSignatureError:
            raise RefusedError(401, "login_bad_signature") from None
        if content["action"] != action or content["host"] != self.host:
            raise RefusedError(401, "login_bad_signature")
        return content

    def begin_session(self, name: str, account: Account) -> str:
        """Log a device in and return its token."""
        token = self.draw(32)
        session: dict[str, Any] = {
            "id": self.draw(),
            "state": "approved",
            "key": None,
            "label": None,
        }
        if "counts-logins" in self.flaws:
            session["at"] = int(self.now())
        account.sessions[hashlib.sha256(token.encode()).hexdigest()] = session
        if "logs-name" in self.flaws:
            self.log.append(f"login {name}")
        if "logs-token" in self.flaws:
            self.log.append(f"token {token}")
        return token

    def receipt(self, **fields: Any) -> str:
        """Return a signed receipt."""
        note = _sign(encode_canonical(fields), f"hening-receipt/{self.name}", self._receipt_key)
        return note.decode()

    def receipt_key(self) -> bytes:
        """Return the verifier key of receipts."""
        return _verifier(f"hening-receipt/{self.name}", self._receipt_key).encode()

    def erase(self, name: str, account: Account) -> None:
        """Remove an account, except for data that a flaw keeps."""
        if "keeps-rows" not in self.flaws:
            del self.accounts[name]
        if "keeps-bodies" in self.flaws:
            self._leftover = account.vault or {}


Handler = Callable[..., tuple[int, Any]]
_ROUTES: Final[list[tuple[str, re.Pattern[str], Handler]]] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a handler for a method and a path pattern."""

    def add(call: Handler) -> Handler:
        _ROUTES.append((method, re.compile(pattern), call))
        return call

    return add


def decode_body(request: Request) -> dict[str, Any]:
    """Decode a body by its content type."""
    is_json = request.header("Content-Type") == "application/json"
    value = json.loads(request.body) if is_json else msgpack.decode(request.body)
    if not isinstance(value, dict):
        raise RefusedError(400, "malformed")
    return value


def _verifier(name: str, key: SigningKey) -> str:
    public = b"\1" + bytes(key.verify_key)
    number = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{number.hex()}+{base64.b64encode(public).decode()}"


def _sign(text: bytes, name: str, key: SigningKey) -> bytes:
    number = bytes.fromhex(_verifier(name, key).split("+")[1])
    line = base64.b64encode(number + key.sign(text).signature).decode()
    return text + f"\n\N{EM DASH} {name} {line}\n".encode()


def read_note(note: bytes | str) -> Mapping[str, Any]:
    """Return the content of a note without verifying its signature."""
    text = note.decode() if isinstance(note, bytes) else note
    fields: dict[str, Any] = json.loads(text.split("\n\n")[0])
    return fields
