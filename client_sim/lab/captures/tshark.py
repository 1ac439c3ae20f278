"""Decryption of TLS by `tshark`, with key logs in the NSS format.

`tshark` runs without the user's settings, does not resolve names, and has a timeout.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.lab.errors import CaptureError, EnvironmentFailedError

KEY_LOG_LIMIT: Final = 16 * 1024 * 1024
"""The maximum size of a key log in bytes: tens of thousands of connections."""

_KEYS: Final = re.compile(
    rb"^(?:CLIENT|SERVER|EXPORTER|EARLY)_[A-Z_0-9]+ ([0-9a-fA-F]{64}) ", re.MULTILINE
)

_TIMEOUT: Final = 300
_BATCH: Final = 200  # connections that one run of tshark decrypts
_OUTPUT_LIMIT: Final = 64 * 1024 * 1024
_STREAM: Final = re.compile(
    r"^Filter: tcp\.stream eq ([0-9]+)\nNode 0: (\S+)\nNode 1: (\S+)$", re.MULTILINE
)
_HTTP_2: Final = b"PRI * HTTP/2.0\r\n"
_BETWEEN: Final = "\x1f"
_STREAMS: Final = ("-T", "fields", "-e", "tcp.stream", "-e", "frame.number")
_HEADERS: Final = (
    *("-Y", "http2.header.name", "-T", "fields", "-E", f"aggregator={_BETWEEN}"),
    *("-e", "ip.src", "-e", "ipv6.src", "-e", "tcp.srcport"),
    *("-e", "http2.header.name", "-e", "http2.header.value"),
)
_LINE: Final = re.compile(r"^(\t?)([0-9a-f]+)$", re.MULTILINE)


def list_randoms(data: bytes) -> frozenset[bytes]:
    """Return the ClientHello randoms for which a key log has keys."""
    return frozenset(bytes.fromhex(match[1].decode()) for match in _KEYS.finditer(data))


def find_tshark() -> str:
    """Return the path of the program; raise EnvironmentFailedError if it is not installed."""
    program = shutil.which("tshark")
    if program is None:
        raise EnvironmentFailedError(
            "there are keys for TLS connections, but tshark, which decrypts them, is not installed:"
            " install it (Debian: tshark), or leave out the keys to see the rest"
        )
    return program


@dataclass(frozen=True, slots=True)
class Decrypted:
    """The decrypted bytes of a connection that left the phone, and HTTP/2 headers, one per line."""

    data: bytes
    headers: bytes = b""


def decrypt(path: Path, key_log: Path, ends: Mapping[int, str]) -> Mapping[int, Decrypted]:
    """Return the decrypted bytes of connections, by the number of the connection's first frame.

    `ends` maps these frame numbers to the phone's end of the connection, as `ADDRESS:PORT`.
    Connections that the keys do not decrypt are left out. Raise CaptureError if tshark fails.
    """
    program = find_tshark()
    found: dict[int, Decrypted] = {}
    frames = list(ends)
    with tempfile.TemporaryDirectory(prefix="hening-tshark-") as home:
        options = [program, "-n", "-r", str(path.resolve())]
        options += ["-o", "tcp.reassemble_out_of_order:TRUE"]
        options += ["-o", f"tls.keylog_file:{key_log.resolve()}"]
        for start in range(0, len(frames), _BATCH):
            numbers = ", ".join(map(str, frames[start : start + _BATCH]))
            arguments = ("-Y", f"frame.number in {{{numbers}}}", *_STREAMS)
            streams = dict(_pairs(_run([*options, *arguments], home)))
            follow = [word for stream in streams for word in ("-z", f"follow,tls,raw,{stream}")]
            for stream, end, data in _read_streams(_run([*options, "-q", *follow], home)):
                if stream in streams and end == ends.get(streams[stream]) and data:
                    found[streams[stream]] = Decrypted(data)
        if any(decrypted.data.startswith(_HTTP_2) for decrypted in found.values()):
            headers = _list_headers(_run([*options, *_HEADERS], home))
            for frame, decrypted in found.items():
                if decrypted.data.startswith(_HTTP_2):
                    found[frame] = Decrypted(decrypted.data, headers.get(ends[frame], b""))
    return found


def _list_headers(output: str) -> dict[str, bytes]:
    """Parse names and values of HTTP/2 headers, by the end that sent them."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        ipv4, ipv6, port, names, values = (line.split("\t") + [""] * 5)[:5]
        end = f"{ipv4}:{port}" if ipv4 else f"[{ipv6}]:{port}"
        pairs = zip(names.split(_BETWEEN), values.split(_BETWEEN), strict=False)
        found.setdefault(end, []).extend(f"{name}: {value}" for name, value in pairs)
    return {end: "\n".join(lines).encode() for end, lines in found.items()}


def _pairs(output: str) -> Iterator[tuple[int, int]]:
    for line in output.splitlines():
        stream, _, frame = line.partition("\t")
        if stream.isdigit() and frame.isdigit():
            yield int(stream), int(frame)


def _read_streams(output: str) -> Iterator[tuple[int, str, bytes]]:
    """Parse the output of `follow`, in which the second node's lines are indented by a tab.

    Yield for each stream both of its ends, each with the bytes that it sent.
    """
    heads = list(_STREAM.finditer(output))
    for place, head in enumerate(heads):
        stop = heads[place + 1].start() if place + 1 < len(heads) else len(output)
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        for line in _LINE.finditer(output, head.end(), stop):
            sides[bool(line[1])].append(bytes.fromhex(line[2]))
        for side, end in enumerate(head.groups()[1:]):
            yield int(head[1]), end, b"".join(sides[side])


def _run(arguments: Sequence[str], home: str) -> str:
    try:
        with tempfile.TemporaryFile(dir=home) as output:
            done = subprocess.run(  # noqa: S603 -- the words are ours, the file is named by the user
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={"HOME": home, "XDG_CONFIG_HOME": home, "LC_ALL": "C.UTF-8"},
                timeout=_TIMEOUT,
                check=False,
            )
            size = output.tell()
            if size > _OUTPUT_LIMIT:
                raise CaptureError("the capture contains too much TLS data: cut it into parts")
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
    except subprocess.TimeoutExpired as error:
        raise CaptureError(
            f"tshark did not finish within {_TIMEOUT} seconds: cut the capture into parts"
        ) from error
    except OSError as error:
        raise EnvironmentFailedError(f"tshark cannot be run ({error}): reinstall it") from error
    if done.returncode not in {0, 2}:
        raise CaptureError(f"tshark cannot read the capture (status {done.returncode})")
    return text
