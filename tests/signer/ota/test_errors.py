import pytest

from fixtures.protobuf_writer import bytes_field
from signer.errors import SignerError
from signer.ota.errors import MAX_SENTENCE, show_name, show_names, show_text
from signer.ota.manifest import decode_manifest
from signer.ota.metadata import decode_pb, decode_text
from signer.ota.payload_checks import check_manifest
from tests.cases import case

LONG = "\U000e0001" * 200


def test_shown_values_are_cut() -> None:
    """Values are escaped and cut at 60 characters; at most three names are listed."""
    assert show_name("a\nb") == "a?b"
    assert show_name("x" * 61) == "x" * 59 + "…"
    assert show_names(["x"] * 5) == "x, x, x and 2 more"
    assert len(show_names([LONG] * 9)) < 200
    assert show_text("yes") == "'yes'"
    assert len(show_text(LONG)) == 60


def _text(key):
    head = "ota-type=AB\npre-device=a\npost-build=b\npost-build-incremental=1\n"
    return f"{head}{key}=x{'y' * 60_000}\n"


def test_messages_are_short():
    """Every value of a package is cut in messages."""
    for judge in (
        lambda: check_manifest(decode_manifest(bytes_field(13, bytes_field(1, LONG))), 0),
        lambda: decode_pb(bytes_field(6, bytes_field(5, LONG))),
        lambda: decode_pb(bytes_field(6, bytes_field(5, "1") + bytes_field(6, LONG))),
        lambda: decode_pb(bytes_field(4, bytes_field(1, LONG)) * 2),
        lambda: decode_text(_text("post-timestamp").encode()),
        lambda: decode_text(_text("ota-wipe").encode()),
    ):
        with case(judge):
            with pytest.raises(SignerError) as caught:
                judge()
            assert len(str(caught.value)) <= MAX_SENTENCE
