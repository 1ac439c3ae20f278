"""TLS taken off by `tshark`, which has the ciphers, where it is installed.

It runs without the user's settings, resolves no names, and is ended when it takes too long.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from client_sim.lab.errors import CaptureError, SurroundingsError

_SECONDS: Final = 300
_AT_ONCE: Final = 200  # connections that one run gives out
_OUTPUT_LIMIT: Final = 64 * 1024 * 1024
_STREAM: Final = re.compile(
    r"^Filter: tcp\.stream eq ([0-9]+)\nNode 0: (\S+)\nNode 1: (\S+)$", re.MULTILINE
)
_LINE: Final = re.compile(r"^(\t?)([0-9a-f]+)$", re.MULTILINE)


def find_tshark() -> str:
    """Find the program; raise SurroundingsError where it is not installed."""
    program = shutil.which("tshark")
    if program is None:
        raise SurroundingsError(
            "there are keys for connections under TLS, but tshark is not installed, which takes TLS"
            " off: install it (Debian: tshark), or leave the keys out to see the rest"
        )
    return program


def decrypt(path: Path, key_log: Path, ends: Mapping[int, str]) -> Mapping[int, bytes]:
    """Give what left the phone under TLS, by the number of the first frame of each connection.

    `ends` has for each such frame the phone's end of the connection, as `ADDRESS:PORT`. What the
    keys do not open is left out.
    """
    program = find_tshark()
    with tempfile.TemporaryDirectory(prefix="hening-tshark-") as home:
        options = [program, "-n", "-r", str(path.resolve())]
        options += ["-o", "tcp.reassemble_out_of_order:TRUE"]
        options += ["-o", f"tls.keylog_file:{key_log.resolve()}"]
        wanted = " or ".join(f"frame.number == {frame}" for frame in ends)
        shown = _run(
            [*options, "-Y", wanted, "-T", "fields", "-e", "tcp.stream", "-e", "frame.number"], home
        )
        streams = dict(_pairs(shown))
        found: dict[int, bytes] = {}
        for start in range(0, len(streams), _AT_ONCE):
            chosen = list(streams)[start : start + _AT_ONCE]
            follow = [word for stream in chosen for word in ("-z", f"follow,tls,raw,{stream}")]
            shown = _run([*options, "-q", *follow], home)
            for stream, end, octets in _sent(shown):
                if stream in streams and end == ends.get(streams[stream]) and octets:
                    found[streams[stream]] = octets
    return found


def _pairs(shown: str) -> Iterator[tuple[int, int]]:
    for line in shown.splitlines():
        stream, _, frame = line.partition("\t")
        if stream.isdigit() and frame.isdigit():
            yield int(stream), int(frame)


def _sent(shown: str) -> Iterator[tuple[int, str, bytes]]:
    """Read what `follow` prints: the first node's octets at the margin, the other's behind a tab.

    Give for each stream both ends, each with what it sent.
    """
    heads = list(_STREAM.finditer(shown))
    for place, head in enumerate(heads):
        stop = heads[place + 1].start() if place + 1 < len(heads) else len(shown)
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        for line in _LINE.finditer(shown, head.end(), stop):
            sides[bool(line[1])].append(bytes.fromhex(line[2]))
        for side, end in enumerate(head.groups()[1:]):
            yield int(head[1]), end, b"".join(sides[side])


def _run(words: Sequence[str], home: str) -> str:
    try:
        with tempfile.TemporaryFile(dir=home) as output:
            done = subprocess.run(  # noqa: S603 -- the words are ours, the file is named by the user
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={"HOME": home, "XDG_CONFIG_HOME": home, "LC_ALL": "C.UTF-8"},
                timeout=_SECONDS,
                check=False,
            )
            size = output.tell()
            if size > _OUTPUT_LIMIT:
                raise CaptureError("the capture has too much under TLS: cut it into parts")
            output.seek(0)
            shown = output.read().decode("utf-8", "replace")
    except subprocess.TimeoutExpired as error:
        raise CaptureError(
            f"tshark did not end within {_SECONDS} seconds: cut the capture into parts"
        ) from error
    except OSError as error:
        raise SurroundingsError(f"tshark cannot be run ({error}): install it anew") from error
    if done.returncode not in {0, 2}:
        raise CaptureError(f"tshark cannot read the capture (status {done.returncode})")
    return shown
