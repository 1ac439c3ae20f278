"""Recordings are complete pcapng files at any moment, which tshark can read, too."""

import io

import pytest

from client_sim.lab.captures.capture_file import CaptureFile, Transfer, encode_connection
from client_sim.lab.captures.loading import decode_capture, load_capture
from client_sim.lab.errors import CaptureError

FOUR = (("192.0.2.7", 40_000), ("198.51.100.10", 8080))
SIX = (("fe80::7%eth0", 40_001), ("2001:db8::10", 8080))
ASKED, ANSWERED = b"asked" * 1000, b"answered"


def packets(ends=FOUR):
    """Return the packets of a connection."""
    passed = [Transfer(10.25, True, ASKED), Transfer(10.5, False, ANSWERED)]
    return list(encode_connection(*ends, 10.0, passed, 11.0))


@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_recording_is_read_back(ends, tmp_path):
    """IPv4 and IPv6, several segments and exact times are preserved."""
    path = tmp_path / "capture"
    with CaptureFile(path) as file:
        file.write(packets(ends), b"")
    (talk,) = load_capture(path).conversations
    assert (talk.data, talk.at) == (ASKED, 10.0)
    assert (talk.gaps, talk.contradictions) == ((), ())


@pytest.mark.needs("tshark")
def test_recording_is_valid_in_tshark(tmp_path, tshark):
    """The program tshark finds no wrong checksum, length or sequence number."""
    path = tmp_path / "capture"
    with CaptureFile(path) as file:
        file.write(packets(), b"")
        file.write(packets(SIX), b"")
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields")
    fields = ("tcp.checksum.status", "ip.checksum.status", "tcp.analysis.flags", "_ws.malformed")
    lines = tshark(path, *checks, *(word for field in fields for word in ("-e", field)))
    # A status of 1 is good; IPv6 packets have no checksum of their own.
    assert lines == "1\t1\t\t\n" * len(packets()) + "1\t\t\t\n" * len(packets(SIX))


def test_part_file_is_complete_and_renamed_at_the_end(tmp_path):
    """After a crash it has all ended connections; an existing file is never replaced."""
    path = tmp_path / "capture"
    with CaptureFile(path) as file:
        file.write(packets(), b"CLIENT_RANDOM x y\n")
        assert not path.exists()
        part = (tmp_path / ".capture.part").read_bytes()
        capture, keys = decode_capture(io.BytesIO(part), len(part))
        assert (len(capture.conversations), keys) == (1, [b"CLIENT_RANDOM x y\n"])
    assert [each.name for each in tmp_path.iterdir()] == ["capture"]
    assert path.read_bytes() == part
    with pytest.raises(CaptureError, match="name another file"), CaptureFile(path):
        pass
    assert path.read_bytes() == part


@pytest.mark.parametrize("count", [0, 1])
def test_recording_is_kept_after_an_error(count, tmp_path):
    """Without connections no file is left."""

    def record():
        with CaptureFile(tmp_path / "capture") as file:
            for _ in range(count):
                file.write(packets(), b"")
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        record()
    assert len(list(tmp_path.iterdir())) == count
