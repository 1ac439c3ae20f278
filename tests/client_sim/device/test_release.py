import hashlib
import json

import pytest
from hypothesis import given

from client_sim.device.errors import ReleaseError
from client_sim.device.release import decode_release
from tests.cases import case
from tests.client_sim.device.formats_page import json_vector
from tests.client_sim.device.repository_simulator import SOURCE, make_release
from tests.strategies import json_values, releases

PATH = "armani/id/stable/armani-2-full.zip"


def test_formats_vector_of_a_release():
    """The release of FORMATS section 3 is decoded member by member."""
    data, digest = json_vector(3)
    assert hashlib.sha256(data).hexdigest() == digest
    release = decode_release("armani/id/stable/x.zip", json.loads(data))
    assert (release.type, release.counter, release.min_counter) == ("incremental", 3, 0)
    assert release.fingerprint.endswith("/1.2.0-id:user/release-keys")
    assert release.incremental == "1.2.0-id"
    assert release.source_builds[0].endswith("/1.1.0-id:user/release-keys")
    assert release.payload_properties["FILE_SIZE"] == "141000"
    assert release.property_files.startswith("payload_metadata.bin:378:1300,")
    assert (release.post_timestamp, release.security_patch_level) == (1767225600, "2026-01-05")
    assert release.changelog["id"] == "Memperbaiki jam alarm."
    assert not release.withdrawn


def test_releases_of_later_versions():
    """An unknown member is ignored; an unknown schema is named in the refusal."""
    assert decode_release(PATH, make_release(later={"x": [1.5, None]})).counter == 2
    with pytest.raises(ReleaseError, match="schema 2"):
        decode_release(PATH, make_release(schema=2))


def test_members_out_of_range_are_refused():
    """Each member is required and has its type and range."""
    for member, values in (
        ("schema", [None, True, "1", 1.0, 0]),
        ("type", [None, "Full", "", 1, ["full"]]),
        ("counter", [0, -1, 2**53, 2.0, True, "2", None]),
        ("fingerprint", ["", "a b", "a\n", "\u00e4", "x" * 129, None, 1]),
        ("incremental", ["", "x" * 65, "a b", None]),
        ("post_timestamp", [-1, 2**53, 1.0, False, None]),
        ("security_patch_level", ["2026-02-30", "2026-1-05", "20260105", "", None, 2026]),
        ("sdk_level", [-1, "34", None, True]),
        ("source_builds", [None, "x", [SOURCE], [1], {}]),
        ("min_counter", [2, 3, -1, 0.0, None, False]),
        ("property_files", [None, 1, "", "x" * 1025, "\u00e4" * 1025]),
        (
            "payload_properties",
            [None, {}, {"FILE_HASH": "x"}, {**make_release()["payload_properties"], "X": "y"}],
        ),
        ("changelog", [None, [], {"EN": "x"}, {"en": 1}, {"en": "x" * 4001}, {"english": "x"}]),
        ("changelog", [{"en-abcdefgh-ijklmnop": "x"}, {f"aa-{n:02}": "" for n in range(65)}]),
        ("withdrawn", [None, 0, "false"]),
    ):
        with case(member, values):
            for value in values:
                with pytest.raises(ReleaseError):
                    decode_release(PATH, make_release(**{member: value}))
            custom = make_release()
            del custom[member]
            with pytest.raises(ReleaseError):
                decode_release(PATH, custom)


def test_malformed_payload_properties_are_refused():
    """Hashes are canonical base64 of 32 bytes, sizes are decimals below 2**53."""
    for name, values in (
        (
            "HASH",
            # 31 and 33 bytes, no padding, bits after the end, the other alphabet, more.
            [None, "", "QUJD", "A" * 40 + "AA==", "A" * 44, "A" * 43]
            + ["A" * 42 + end for end in ("B=", "D=", "A=\n")]
            + [start + "A" * 42 + "=" for start in ("-", " ")],
        ),
        ("SIZE", [None, "", 3, "03", "+3", "-1", "3\n", "3.0", "\u0663", str(2**53), "1" * 17]),
    ):
        with case(name, values):
            for what in (f"FILE_{name}", f"METADATA_{name}"):
                for value in values:
                    properties = {**make_release()["payload_properties"], what: value}
                    with pytest.raises(ReleaseError):
                        decode_release(PATH, make_release(payload_properties=properties))


def test_an_incremental_names_its_sources():
    """An incremental has one to eight source builds."""
    custom = make_release(type="incremental", source_builds=[SOURCE] * 8)
    assert decode_release(PATH, custom).source_builds == (SOURCE,) * 8
    for sources in ([], [SOURCE] * 9):
        with pytest.raises(ReleaseError):
            decode_release(PATH, make_release(type="incremental", source_builds=sources))


def test_paths_of_releases():
    """A path has codename, region, channel and file name."""
    for path in (
        "",
        "armani/id/a.zip",
        "latest/id/stable/a.zip",
        "armani/ID/stable/a.zip",
        "a/b/c/d..zip",
    ):
        with case(path), pytest.raises(ReleaseError):
            decode_release(path, make_release())


@given(releases())
def test_valid_releases_are_read(custom):
    """Every valid release is decoded."""
    assert decode_release(PATH, custom).counter == custom["counter"]


@given(json_values)
def test_arbitrary_values_raise_only_release_error(value):
    """Any JSON value, alone or as a member, is refused."""
    with pytest.raises(ReleaseError):
        decode_release(PATH, value)
    with pytest.raises(ReleaseError):
        decode_release(PATH, make_release(payload_properties=value))
