"""Packages that are valid, but break existing Updater apps."""

import struct
from pathlib import Path

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from signer.ota.inspect import inspect_ota
from signer.ota.summary import find_app_warnings
from tests.cases import case
from tests.signer.builds import make_facts


def test_app_warnings():
    """Each problem has one sentence."""
    for changes, labels, words in (
        ({}, {}, ()),
        ({}, {"lineage.version": "22.1"}, ()),
        ({}, {"lineage.version": "22"}, ("never offers the version 22",)),
        ({"uneven": ("payload.bin",)}, {}, ("does not find payload.bin",)),
        ({"property_files": "p" * 1025}, {}, ("cannot stream",)),
        ({"source_builds": ("a/b/c/d/1:u", "e/f/g/h/1:u")}, {}, ("2 of its source builds",)),
        ({"source_builds": ("a/b/c/d/1:u", "e/f/g/h/2:u", "short")}, {}, ()),
    ):
        with case(changes):
            found = find_app_warnings(make_facts(1, **changes), labels)
            assert len(found) == len(words)
            assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_uneven_extra_fields(tmp_path):
    """An extra field that only the directory has is reported, though readers accept it."""
    data = build_zip(find_build("armani", "id", 1))
    path = tmp_path / "armani.zip"
    path.write_bytes(data)
    assert inspect_ota(path).uneven == ()
    end = data.rfind(b"PK\x05\x06")
    size, offset = struct.unpack("<2L", data[end + 12 : end + 20])
    name, extra, _ = struct.unpack("<3H", data[offset + 28 : offset + 34])
    field = struct.pack("<2H", 0xCAFE, 0)
    first = bytearray(data[offset : offset + 46 + name + extra])
    first[30:32] = struct.pack("<H", extra + len(field))
    directory = bytes(first) + field + data[offset + 46 + name + extra : end]
    record = bytearray(data[end : end + 22])
    record[12:16] = struct.pack("<L", size + len(field))
    record[20:22] = b"\0\0"
    Path(path).write_bytes(data[:offset] + directory + bytes(record))
    assert len(inspect_ota(path).uneven) == 1
