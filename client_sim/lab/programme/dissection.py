"""Dissection of requests: the purpose of each byte, and what it can reveal.

The terms are those of the request table in docs/PRIVACY.md and of docs/FORMATS.md section 9.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from client_sim.lab.errors import LabError
from client_sim.lab.oracles.grammar import Request, parse_requests
from client_sim.lab.oracles.judging import host_line
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.memory import Entropy, MemoryWorld
from client_sim.lab.trace.recording import RecordingWorld
from client_sim.world import Factory, Public

UNEXPLAINED: Final = "not in the request table"

_WHY: Final = {
    "root": "asks whether the keys of the repository have changed; reveals the root version held",
    "timestamp": "asks whether anything is new; reveals nothing",
    "snapshot": "asks which roles have new versions",
    "role": "fetches a role that has a new version, as every phone does",
    "part": "fetches the part of a split latest with its channel; reveals which part that is",
    "proof-part": "fetches the proof that all phones are offered the same part",
    "proof-latest": "fetches the proof that all phones are offered the same pointers",
    "proof-common": "fetches the proof that all phones get the same tables, or the same texts",
    "pack": "fetches a part of a public pack that has changed, as every phone does",
    "codename": "fetches this model's releases, after the decision to install; reveals the model",
    "proof-codename": "fetches the proof that all phones of this model see the same releases",
    "package": "fetches one block of the package, after the decision to install; reveals the model",
    "picture": "fetches a wallpaper that the owner chose; reveals which one",
}

# Every byte of a path belongs to a named part or is a separator.
_PATH: Final = re.compile(
    rb"(?P<folder>/metadata/)(?:(?P<version>[0-9]+)\.)?(?P<role>[a-z0-9_-]+)(?P<form>\.json)"
    rb"|(?P<log>/log/proof/)(?P<proven>[a-z0-9_-]+)\.(?P<proven_version>[0-9]+)"
    rb"|(?P<packs>/targets/)(?P<owner>tables|content)/(?P<kind>[^/]+)"
    rb"/(?P<digest>[0-9a-f]{64})\.(?:(?P<number>[0-9]+)(?P<packed>\.xz)|(?P<picture>[^./]+)(?P<image>\.jpg))"
    rb"|(?P<packages>/targets/)(?P<codename>[^/]+)/(?P<region>[^/]+)/(?P<channel>[^/]+)"
    rb"/(?P<hash>[0-9a-f]{64})\.(?P<file>[^/]+)"
)

_NOTHING: Final = "nothing"

_PARTS: Final = {
    "folder": ("folder", "the folder of the signed metadata; the same for every phone", _NOTHING),
    "version": ("version", "the version named in signed metadata", "versions held"),
    "role": ("role", "which signed file; the same names for every phone", _NOTHING),
    "form": ("form", "the only form in which metadata is served", _NOTHING),
    "log": ("folder", "the folder of the public log's proofs; the same for every phone", _NOTHING),
    "proven": ("role", "whose proof: the role that was just fetched", _NOTHING),
    "proven_version": ("version", "the version that was just fetched", "no more than that request"),
    "packs": ("folder", "the folder of public content packs; the same for every phone", _NOTHING),
    "owner": ("role", "which of the two roles lists the pack", _NOTHING),
    "kind": ("kind", "the kind of the pack; every phone fetches every kind", _NOTHING),
    "digest": ("sha256", "the file's hash, from the signed role", "no more than the versions held"),
    "number": ("part", "chosen by hashes of its keys, not by language or country", _NOTHING),
    "packed": ("form", "the only form in which parts are served", _NOTHING),
    "picture": ("picture", "the name of the wallpaper", "which wallpaper the owner chose"),
    "image": ("form", "the only form in which pictures are served", _NOTHING),
    "packages": ("folder", "the folder of the packages", _NOTHING),
    "codename": ("model", "the model that the package is made for", "the model"),
    "region": ("region", "the region of the ROM image", "the region"),
    "channel": (
        "channel",
        "the channel of the ROM image, or the one its owner chose",
        "the channel",
    ),
    "hash": ("sha256", "the package's hash, from the signed release", "which package"),
    "file": (
        "file",
        "the package's name; an incremental names two builds",
        "the build it starts from",
    ),
}

_OF_RULE: Final = {
    ("root", "version"): (
        "next root version",
        "one more than the root that this phone trusts; the answer is 404 if there is none",
        "the root version held",
    ),
    ("part", "role"): (
        "part of latest",
        "the part with this phone's channel, if the operator has split latest",
        "one of 4 or 16 parts",
    ),
    ("proof-part", "proven"): (
        "part of latest",
        "whose proof: the part that was just fetched",
        "no more than that request",
    ),
    ("picture", "digest"): (
        "sha256",
        "the picture's hash, from the signed role",
        "which wallpaper the owner chose",
    ),
    ("codename", "role"): ("model", "the role with the releases of this model", "the model"),
    ("proof-codename", "proven"): (
        "model",
        "whose proof: the model's role that was just fetched",
        "no more than that request",
    ),
}

_SEPARATOR: Final = ("separator", "separates two parts of the path", _NOTHING)
_METHOD: Final = ("method", "the only allowed method: a poll reads and never uploads", _NOTHING)
_PROTOCOL: Final = ("protocol", "the end of the request line; always the same", _NOTHING)
_HOST: Final = (
    "Host",
    "the server's name from the ROM image; required by HTTP; the same on every phone",
    _NOTHING,
)
_CODING: Final = ("Accept-Encoding", "constant: metadata is stored compressed, once", _NOTHING)
_RANGE: Final = ("Range", "the next aligned block of 8 MiB", "the progress of the download")
_END: Final = ("end", "an empty line, which ends the request; there is no body", _NOTHING)
_STRAY: Final = (
    UNEXPLAINED,
    "no rule explains these bytes: a leak, until proven otherwise",
    "anything",
)


@dataclass(frozen=True, slots=True)
class Field:
    """Some bytes of a request: their name, their purpose, and what they can reveal (`reveals`)."""

    data: bytes
    name: str
    why: str
    reveals: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, or bytes outside any request; `rule` is the id in the request table."""

    rule: str
    why: str
    fields: tuple[Field, ...]

    @property
    def data(self) -> bytes:
        """All bytes, in order."""
        return b"".join(field.data for field in self.fields)

    @property
    def is_explained(self) -> bool:
        """Whether the request table allows these bytes."""
        return self.rule != UNEXPLAINED


def dissect(data: bytes, host: bytes | None) -> tuple[Exchange, ...]:
    """Dissect all bytes of one connection, in order; each is in exactly one field.

    `host` is the required value of Host; None accepts any. Bytes that the request table does not
    allow become an exchange of their own.
    """
    return tuple(_exchanges(data, host))


def _exchanges(data: bytes, host: bytes | None) -> Iterator[Exchange]:
    done = 0
    for request in parse_requests(data, host):
        if request.offset > done:
            yield _stray(data[done : request.offset])
        done = data.index(b"\r\n\r\n", request.offset) + 4
        yield _exchange(request, data[request.offset : done])
    if done < len(data):
        yield _stray(data[done:])


def _stray(data: bytes) -> Exchange:
    return Exchange(UNEXPLAINED, _STRAY[1], (Field(data, *_STRAY),))


def _exchange(request: Request, data: bytes) -> Exchange:
    line, host, last, *_ = data.split(b"\r\n")
    method, path, protocol = line.split(b" ")
    fields = (
        Field(method + b" ", *_METHOD),
        *_path_fields(request.rule, path),
        Field(b" " + protocol + b"\r\n", *_PROTOCOL),
        Field(host + b"\r\n", *_HOST),
        Field(last + b"\r\n", *(_RANGE if request.rule == "package" else _CODING)),
        Field(b"\r\n", *_END),
    )
    return Exchange(request.rule, _WHY[request.rule], fields)


def _path_fields(rule: str, path: bytes) -> Iterator[Field]:
    match = _PATH.fullmatch(path)
    if match is None:
        raise AssertionError(f"a path in the request table has no explanation: {path!r}")
    done = 0
    for name, value in match.groupdict().items():
        if value is None:
            continue
        if match.start(name) > done:
            yield Field(path[done : match.start(name)], *_SEPARATOR)
        done = match.end(name)
        yield Field(value, *_OF_RULE.get((rule, name), _PARTS[name]))


def explain_poll(factory: Factory, public: Public, now: float) -> tuple[Exchange, ...]:
    """Let a client poll a scripted server once, and dissect what it sends.

    Bytes that the request table does not allow are included in order and marked. Raise LabError if
    the poll raises or sends nothing.
    """
    inner = MemoryWorld(public, None, entropy=Entropy(b"explain"), start=now, respond=respond)
    world = RecordingWorld(inner)
    world.phase = "poll 1"
    try:
        outcome = factory(world).poll()
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LabError(f"the client cannot be explained, as its poll raised {reason}") from error
    connections = world.observation().connections()
    if not connections:
        raise LabError(f"the client sent nothing, so there is nothing to explain: {outcome}")
    return tuple(
        exchange
        for connection in connections
        for exchange in dissect(connection.data, host_line(public))
    )
