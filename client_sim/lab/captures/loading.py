"""Loading of captures; the first bytes of a file determine its format."""

import io
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from client_sim.lab.captures.capture import Capture, Conversation, State
from client_sim.lab.captures.dissection import Dissection
from client_sim.lab.captures.har import HAR_LIMIT, is_har, read_har
from client_sim.lab.captures.packet_files import (
    MAGICS,
    SECTION,
    Frame,
    Secrets,
    Source,
    UnknownBlock,
    read_pcap,
    read_pcapng,
)
from client_sim.lab.captures.tshark import KEY_LOG_LIMIT, Decrypted, decrypt, list_randoms
from client_sim.lab.errors import CaptureError

BYTES_LIMIT: Final = 16 * 1024 * 1024
"""The maximum of bytes that left the phone: weeks of polls, and minutes for a search."""

CAPTURE_LIMIT: Final = 1024 * 1024 * 1024
"""The maximum size of a packet capture in bytes; it is read frame by frame."""

_KINDS: Final = {SECTION: "pcapng", **dict.fromkeys(MAGICS, "pcap")}
_UTF_16: Final = "text in UTF-16: export it again, or convert it to UTF-8 (iconv)"
_CONTAINERS: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        b"\x1f\x8b": "compressed by gzip: unpack it first (gunzip)",
        b"BZh": "compressed by bzip2: unpack it first (bunzip2)",
        b"\xfd7zXZ\x00": "compressed by xz: unpack it first (unxz)",
        b"\x28\xb5\x2f\xfd": "compressed by Zstandard: unpack it first (unzstd)",
        b"PK\x03\x04": "a zip archive: unpack it first (unzip)",
        **dict.fromkeys((b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{"), _UTF_16),
    }
)
"""First bytes of files that may contain a capture but are none themselves, with descriptions."""


def load_capture(
    path: Path, phones: frozenset[bytes] = frozenset(), key_log: Path | None = None
) -> Capture:
    """Read a capture; raise CaptureError if it is malformed or too large, and OSError.

    `phones` are the addresses of the phone. TLS connections whose keys are in `key_log` or in the
    capture are decrypted by `tshark`. Raise EnvironmentFailedError if `tshark` is missing.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        capture, secrets = decode_capture(file, size, phones)
    if key_log is not None:
        with key_log.open("rb") as file:
            secrets.append(file.read(KEY_LOG_LIMIT + 1))
        if len(secrets[-1]) > KEY_LOG_LIMIT:
            raise CaptureError(
                f"{key_log} has more than {KEY_LOG_LIMIT} bytes: it is not a key log"
            )
    return _decrypt_tls(path, capture, secrets)


def decode_capture(
    file: BinaryIO, size: int, phones: frozenset[bytes] = frozenset()
) -> tuple[Capture, list[bytes]]:
    """Read a capture of `size` bytes; return it and the key logs that it contains.

    Raise CaptureError if it is empty, compressed, or text that is not in UTF-8.
    """
    start = file.read(4)
    file.seek(0)
    kind = _KINDS.get(start)
    if kind is not None and size > CAPTURE_LIMIT:
        raise CaptureError(f"the capture has more than {CAPTURE_LIMIT} bytes: cut it into parts")
    if kind == "pcap":
        return _dissect(read_pcap(Source(file)), kind, phones)
    if kind == "pcapng":
        return _dissect(read_pcapng(Source(file)), kind, phones)
    head = file.read(64)
    file.seek(0)
    _check_format(head)
    if is_har(head):
        if size > HAR_LIMIT:
            raise CaptureError(f"the HAR has more than {HAR_LIMIT} bytes: export fewer requests")
        return read_har(file.read(), BYTES_LIMIT), []
    if size > BYTES_LIMIT:
        raise CaptureError(
            f"the file is not pcap, pcapng or HAR, and has more than {BYTES_LIMIT} bytes, the limit"
            " for the bytes of one connection: cut it into connections"
        )
    return _read_bytes(file.read()), []


def _check_format(head: bytes) -> None:
    """Raise CaptureError for an empty file or a known container format."""
    if not head:
        raise CaptureError(
            "not a capture: the file is empty: let the recording end, or copy the file again"
        )
    for start, description in _CONTAINERS.items():
        if head.startswith(start):
            raise CaptureError(f"not a capture: the file is {description}")


def _dissect(
    items: Iterator[Frame | Secrets | UnknownBlock], kind: str, phones: frozenset[bytes]
) -> tuple[Capture, list[bytes]]:
    dissection = Dissection(phones, BYTES_LIMIT)
    secrets: list[bytes] = []
    for item in items:
        match item:
            case Frame():
                dissection.add(item)
            case Secrets():
                secrets.append(item.data)
                if sum(map(len, secrets)) > KEY_LOG_LIMIT:
                    raise CaptureError(
                        "the capture contains more keys than it can have connections"
                    )
            case UnknownBlock():
                dissection.add_unknown(item)
    return dissection.finish(kind), secrets


def _read_bytes(data: bytes) -> Capture:
    conversation = Conversation(
        "recording", b"", 0, 0.0, data, State.PLAIN if data else State.SILENT
    )
    note = "raw bytes belong to one connection; nothing else that left the phone is in the file"
    return Capture("octets", (conversation,), notes=(note,))


def _decrypt_tls(path: Path, capture: Capture, secrets: list[bytes]) -> Capture:
    """Add the decrypted bytes of TLS connections whose keys are known."""
    known = frozenset[bytes]().union(*map(list_randoms, secrets))
    decryptable = {
        conversation.frame: conversation.local
        for conversation in capture.conversations
        if conversation.hello is not None
        and conversation.hello.random in known
        and conversation.frame
    }
    if not decryptable:
        return capture
    with tempfile.NamedTemporaryFile(suffix=".keys") as keys:
        keys.write(b"\n".join(secrets) + b"\n")
        keys.flush()
        decrypted = decrypt(path, Path(keys.name), decryptable)
    return replace(
        capture,
        conversations=tuple(
            _add_decrypted(conversation, decrypted.get(conversation.frame))
            for conversation in capture.conversations
        ),
    )


def _add_decrypted(conversation: Conversation, decrypted: Decrypted | None) -> Conversation:
    if decrypted is None or conversation.state is not State.ENCRYPTED:
        return conversation
    headers = (("headers of HTTP/2", decrypted.headers),) if decrypted.headers else ()
    return replace(
        conversation,
        data=decrypted.data,
        pieces=(),  # tshark does not say which packet contained which bytes
        state=State.DECRYPTED,
        readings=(*conversation.readings, *headers),
    )
