"""Construction of a leaky client from a row: changes of its traffic, and additional actions."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from client_sim.cloud.errors import CloudError
from client_sim.cloud.keys import main_cipher
from client_sim.cloud.recovery import encode_words
from client_sim.device.client import PollingClient
from client_sim.lab.cloud.double import msgpack
from client_sim.lab.cloud.leaks import ENCODINGS, Leak
from client_sim.lab.cloud.patches import find_patches
from client_sim.lab.cloud.phone import Factory, OurPhone, Step
from client_sim.lab.cloud.requests import Request, encode_request, split_requests
from client_sim.lab.cloud.world import NAME, CloudWorld
from client_sim.world import Client, Stream, World

_WIRE: Final = frozenset({"header", "query", "member", "set", "replace", "append", "cut", "join"})
_PIECE: Final = 64 * 1024


def make_leaky(leak: Leak) -> Factory:
    """Return the factory of a row's client."""
    return lambda world: _Leaky(world, leak)


class _Leaky(OurPhone):
    """Hening's own phone with the change of one row."""

    def __init__(self, world: CloudWorld, leak: Leak) -> None:
        self._leak = leak
        self._untapped = world
        tapped: Any = _Tapped(world, self) if leak.place in _WIRE else world
        super().__init__(tapped)

    def do(self, step: Step) -> list[str]:
        """Execute a step with the row's change."""
        leak = self._leak
        is_now = leak.is_at(step.name)
        if leak.place == "skip" and is_now:
            return []
        if leak.place == "local" and is_now:
            self.cloud.forget_login()
            return []
        if leak.place != "inside":
            sentences = super().do(step)
            if is_now:
                self._act()
            return sentences
        with _patched(find_patches(leak.detail, self.value, self.world)):
            return super().do(step)

    def polling(self, world: World) -> Client:
        """Return the polling client; for some rows, one that depends on the backup."""
        if not self._leak.place.startswith("poll"):
            return super().polling(world)
        return _Polling(_TappedPoll(world, self) if self._leak.place != "poll-due" else world, self)

    def value(self) -> bytes:
        """Return the leaked value in the row's encoding."""
        return ENCODINGS[self._leak.encoding](_SOURCES[self._leak.source](self))

    def _act(self) -> None:
        leak, world = self._leak, self._untapped
        if leak.place == "sync":
            with suppress(CloudError):
                self._sync("")
        elif leak.place == "do":
            getattr(self, f"_{leak.detail}")("")
        elif leak.place == "name":
            world.resolve(leak.detail)
        elif leak.place in {"tell", "ask"}:
            host = leak.detail if leak.place == "tell" else "cloud.id.lab.example"
            path = f"/?v={self.value().decode()}" if leak.place == "tell" else leak.detail
            token = self.cloud.store.get("token").decode()
            headers = [("Host", host)]
            if leak.place == "ask" and token and path.startswith("/account"):
                headers.append(("Authorization", f"Token {token}"))
            stream = world.connect(world.resolve(host)[0], 443, host)
            stream.send(encode_request("GET", path, tuple(headers), b""))
            stream.recv(_PIECE)
            stream.close()

    def tamper(self, request: Request) -> tuple[bytes, int]:
        """Return the changed request, and the offset at which it is split, or 0."""
        leak, value = self._leak, self.value()
        headers, target, body = list(request.headers), request.target, request.body
        cut = 0
        if leak.place == "header":
            headers.append((leak.detail, value.decode("latin-1")))
        elif leak.place == "replace":
            text = f"Basic {value.decode()}"
            headers = [(n, text if n == leak.detail else v) for n, v in headers]
        elif leak.place == "query":
            mark = "&" if "?" in target else "?"
            target += f"{mark}{leak.detail}={value.decode('latin-1').replace(' ', '+')}"
        elif leak.place == "append":
            body += value
        elif leak.place == "cut":
            cut = len(value)
        elif leak.place != "join":
            body = self._alter_body(request, value)
        length = str(len(body))
        headers = [(n, length if n == "Content-Length" else v) for n, v in headers]
        return encode_request(request.method, target, tuple(headers), body), cut

    def _alter_body(self, request: Request, value: bytes) -> bytes:
        """Set or add a member of the body."""
        is_json = request.header("Content-Type") == "application/json"
        content = (json.loads if is_json else msgpack.decode)(request.body)
        *path, last = self._leak.detail.split(".")
        inner = content
        for name in path:
            inner = inner[name]
        inner[last] = value.decode("latin-1")
        return json.dumps(content).encode() if is_json else msgpack.encode(content)

    @property
    def sends_whole(self) -> bool:
        """Whether head and body are sent in one write."""
        return self._leak.place == "join"

    def is_tapped(self, request: Request) -> bool:
        """Whether a request is the row's trigger."""
        if request.method == "GET" and self._leak.place in {"member", "set", "append", "cut"}:
            return False
        return self._leak.trigger == "all" or self._leak.trigger in request.path


class _Tapped:
    """A world whose connections are changed by the row."""

    def __init__(self, world: Any, phone: _Leaky) -> None:  # noqa: ANN401 - of cloud or polls
        self._world = world
        self._phone = phone

    def __getattr__(self, name: str) -> object:
        return getattr(self._world, name)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and wrap the stream."""
        return _Tap(self._world.connect(address, port, tls), self._phone)


class _Tap:
    """A connection that buffers each request until it is complete."""

    def __init__(self, stream: Stream, phone: _Leaky) -> None:
        self._stream = stream
        self._phone = phone
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Send complete requests with the row's change."""
        requests, self._buffer = split_requests(self._buffer + data)
        for request in requests:
            altered, cut = request.data, 0
            if self._phone.is_tapped(request):
                with suppress(LookupError, CloudError, ValueError):
                    altered, cut = self._phone.tamper(request)
            if self._phone.sends_whole:
                self._stream.send(altered)
                continue
            (whole,), _ = split_requests(altered)
            pieces = [0, cut or whole.start, *range(whole.start + _PIECE, len(altered), _PIECE)]
            for start, end in zip(pieces, [*pieces[1:], len(altered)], strict=True):
                if altered[start:end]:
                    self._stream.send(altered[start:end])

    def recv(self, limit: int) -> bytes:
        """Receive at most `limit` bytes."""
        return self._stream.recv(limit)

    def close(self) -> None:
        """Close."""
        self._stream.close()


class _TappedPoll(_Tapped):
    """A polling client's world that reveals whether the backup is on."""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and wrap the stream if the backup is on."""
        stream = self._world.connect(address, port, tls)
        return _PollTap(stream, self._phone) if self._phone.cloud.enabled_types else stream


class _PollTap(_Tap):
    """A poll's connection; its requests have no bodies."""

    def send(self, data: bytes) -> None:
        """Send the poll with an additional header line or a request of the backup."""
        leak = self._phone._leak  # noqa: SLF001 - one module
        if leak.place == "poll-ask":
            host = self._phone.cloud.region.origin.removeprefix("https://")
            ask = encode_request("GET", leak.detail, (("Host", host),), b"")
            self._stream.send(data + ask)
        else:
            line = f"{leak.detail}: ".encode() + self._phone.value() + b"\r\n\r\n"
            self._stream.send(data.replace(b"\r\n\r\n", b"\r\n" + line))


class _Polling(PollingClient):
    """A polling client that depends on the backup."""

    def __init__(self, world: Any, phone: _Leaky) -> None:  # noqa: ANN401 - tapped or not
        super().__init__(world)
        self._phone = phone

    def next_poll(self, now: float) -> float:
        """Return an earlier due time if the backup is on."""
        due = super().next_poll(now)
        leak = self._phone._leak  # noqa: SLF001 - one module
        return (
            now + float(leak.detail)
            if leak.place == "poll-due" and self._phone.cloud.enabled_types
            else due
        )


def _words(phone: _Leaky) -> bytes:
    store = phone.cloud.store
    if pending := store.get("pending-words"):
        store.set("seen-words", pending)
    return encode_words(store.get("seen-words") or bytes(16)).encode()


_SOURCES: Final[Mapping[str, Callable[[_Leaky], bytes]]] = {
    "-": lambda _: b"",
    "one": lambda _: b"1",
    "imei": lambda phone: phone.world.owner.imei.encode(),
    "serial": lambda phone: phone.world.owner.serial.encode(),
    "number": lambda phone: phone.world.owner.phone_number.encode(),
    "account": lambda phone: phone.world.owner.accounts[0].name.encode(),
    "contact": lambda phone: phone.world.owner.contacts[0].name.encode(),
    "contact-number": lambda phone: phone.world.owner.contacts[0].number.encode(),
    "count": lambda phone: b"%d" % len(phone.cloud.store.live("contact")),
    "call": lambda phone: (phone.world.owner.calls or phone.world.owner.messages)[
        0
    ].number.encode(),
    "message": lambda phone: phone.world.owner.messages[0].text.encode(),
    "photo-place": lambda phone: phone.world.owner.photos[0].latitude.encode(),
    "photo-name": lambda phone: phone.world.owner.photos[0].name.encode(),
    "model": lambda phone: phone.world.model.encode(),
    "password": lambda phone: phone.world.password.encode(),
    "basic": lambda phone: f"{NAME}:{phone.world.password}".encode(),
    "token": lambda phone: phone.cloud.store.get("token"),
    "words": _words,
    "account-key": lambda phone: phone.cloud.store.get("account")[:32] or main_cipher(bytes(32)),
    "collection-key": lambda phone: phone.cloud.store.collections()[0].keys[:32],
}


@contextmanager
def _patched(patches: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Replace attributes while a client runs."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    try:
        for owner, name, new in patches:
            setattr(owner, name, new)
        yield
    finally:
        for owner, name, old in reversed(originals):
            setattr(owner, name, old)
