"""Pack folders can be read back, and contradicting ones are refused."""

import json
import lzma
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.part import decode_part
from signer.content.pack_folder import (
    diff_packs,
    list_files,
    load_edited,
    load_pack,
    make_pack,
    write_pack,
)
from signer.errors import ContentError, EnvironmentFailedError, SignerError
from tests.cases import case
from tests.server.core.content.samples import KINDS, PICTURE, entries_of, pack
from tests.signer.content.packs import make

NOTICES = {
    "pack.json": json.dumps({"kind": "notices", **pack()}).encode(),
    "entries.json": json.dumps(entries_of("notices")).encode(),
    "parts/00.xz": make("notices").parts[0],
}


def test_pack_folder_round_trip(tmp_path) -> None:
    """A pack of each kind can be read back; the files are sorted, with one member a line."""
    for kind in KINDS:
        with case(kind):
            made = make(kind)
            write_pack(tmp_path / kind, made)
            assert load_pack(tmp_path / kind) == made
            assert make(kind).parts == made.parts
            with pytest.raises(EnvironmentFailedError, match="already exists"):
                write_pack(tmp_path / kind, made)
    write_pack(tmp_path / "pack", make("wallpapers", title={"en": "Pictures", "id": "Gambar"}))
    lines = (tmp_path / "pack" / "pack.json").read_text().splitlines()
    assert lines[1] == ' "kind": "wallpapers",'
    assert '  "id": "Gambar"' in lines
    assert '  "title": {' in (tmp_path / "pack" / "entries.json").read_text().splitlines()
    files = list_files(tmp_path / "pack")
    assert [file.name for file in files] == ["00.xz", "waves.jpg"]
    assert files[1].read_bytes() == PICTURE


def test_unchanged_parts_keep_their_bytes() -> None:
    """Unchanged parts of the base are kept, even if another compressor made them."""
    base = make("zones")
    first = decode_part("zones", 3, base.parts[3])
    text = json.dumps(
        {"entries": first, "kind": "zones", "part": 3, "schema": 1},
        sort_keys=True,
        separators=(",", ":"),
    )
    other = lzma.compress(f"{text}\n".encode(), lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=1)
    parts = (*base.parts[:3], other, *base.parts[4:])
    base = type(base)(base.kind, base.members, base.entries, parts)
    more = entries_of("zones") | {"Asia/Makassar": {"link": "Asia/Jakarta"}}
    made = make("zones", more, base)
    changed = [n for n, (a, b) in enumerate(zip(base.parts, made.parts, strict=True)) if a != b]
    assert made.parts[3] == other
    assert len(changed) == 1
    assert "Asia/Makassar" in decode_part("zones", changed[0], made.parts[changed[0]])


def test_edited_entries(tmp_path) -> None:
    """Edited entries are refused with the command that builds the pack again."""
    folder = tmp_path / "pack"
    write_pack(folder, make("emergency"))
    edited = {"ID": {"exact": True, "numbers": ["112"]}}
    (folder / "entries.json").write_text(json.dumps(edited))
    with pytest.raises(ContentError, match="run `content build emergency --edited"):
        load_pack(folder)
    made = load_edited(folder, "emergency")
    assert made.entries == edited
    assert decode_part("emergency", 0, made.parts[0]) == edited
    with pytest.raises(ContentError, match="not of the kind zones"):
        load_edited(folder, "zones")


def test_malformed_pack_folder(tmp_path) -> None:
    """Each file, the members and the entries are checked."""
    json_of_packs = "is not valid JSON for a pack"
    for number, (name, data, sentence) in enumerate(
        (
            ("pack.json", b"{}", "names no known kind"),
            ("pack.json", b"[]", "does not hold an object"),
            ("pack.json", b"{", "is not valid JSON"),
            ("pack.json", b'{"kind":"notices"}', "The pack notices is malformed"),
            ("entries.json", b'{"a":1.5}', json_of_packs),
            ("entries.json", b"[" * 100_000, json_of_packs),
            ("entries.json", b'{"a":"\\ud800"}', json_of_packs),
            ("parts/00.xz", b"PK", "xz file"),
            ("parts/00.xz", bytes(262_145), "more than 262144 bytes"),
        )
    ):
        folder = tmp_path / str(number)
        write_pack(folder, make("notices"))
        (folder / name).write_bytes(data)
        with case(name, sentence), pytest.raises(ContentError, match=sentence):
            load_pack(folder)
    with pytest.raises(ContentError, match="The pack notices is malformed"):
        make_pack("notices", pack(version=0), {}, {})
    with pytest.raises(ContentError, match="not a key"):
        make_pack("notices", pack(), {"ä": {}}, {})


@given(st.binary(max_size=60), st.sampled_from(["pack.json", "entries.json", "parts/00.xz"]))
def test_arbitrary_file(content, name) -> None:
    """Arbitrary bytes in any of the files are refused with a SignerError."""
    with TemporaryDirectory() as folder:
        pack = Path(folder) / "pack"
        (pack / "parts").mkdir(parents=True)
        for each, data in NOTICES.items():
            (pack / each).write_bytes(content if each == name else data)
        with pytest.raises(SignerError):
            load_pack(pack)


def numbers(**countries):
    """Return entries of emergency numbers."""
    return {c: {"exact": True, "numbers": list(n)} for c, n in countries.items()}


def test_diff_packs() -> None:
    """The diff has entries, parts and members; its size is that of the changed parts."""
    old = make("emergency", numbers(AA=["110"], BB=["110"], CC=["110"]))
    new = make("emergency", numbers(AA=["110"], BB=["112"], DD=["110"]), old, version=2)
    found = diff_packs(old, new)
    assert (found.added, found.changed, found.removed) == (("DD",), ("BB",), ("CC",))
    assert found.members == {"version": (1, 2)}
    assert found.size == sum(len(new.parts[number]) for number in found.parts)
    assert all(old.parts[n] != new.parts[n] for n in found.parts)
    assert str(found) == "emergency: 1 entries added, 1 changed, 1 removed"
    found = diff_packs(make("zones"), make("zones"))
    assert (found.parts, found.size, found.members) == ((), 0, {})
    with pytest.raises(ContentError, match="of zones and the other of apn"):
        diff_packs(make("zones"), make("apn"))
