from signer.ota.operations import FULL_TYPES, OPERATION_TYPES, operation_name


def test_names_and_versions_are_those_of_the_format() -> None:
    """Number, name and first minor version of every type, as the format's table has them."""
    assert {number: (each.name, each.since) for number, each in OPERATION_TYPES.items()} == {
        0: ("REPLACE", 0),
        1: ("REPLACE_BZ", 0),
        2: ("MOVE", 1),
        3: ("BSDIFF", 1),
        4: ("SOURCE_COPY", 2),
        5: ("SOURCE_BSDIFF", 2),
        6: ("ZERO", 4),
        7: ("DISCARD", 4),
        8: ("REPLACE_XZ", 0),
        9: ("PUFFDIFF", 5),
        10: ("BROTLI_BSDIFF", 4),
        11: ("ZUCCHINI", 8),
        12: ("LZ4DIFF_BSDIFF", 9),
        13: ("LZ4DIFF_PUFFDIFF", 9),
    }


def test_full_payloads_only_replace() -> None:
    """The types of full payloads read nothing and carry data."""
    full = [each for each in OPERATION_TYPES.values() if each.name in FULL_TYPES]
    assert len(full) == 3
    assert all(each.has_data and not each.reads_source for each in full)


def test_unknown_types_are_numbered() -> None:
    """A type without a name is called by its number."""
    assert operation_name(10) == "BROTLI_BSDIFF"
    assert operation_name(27) == "unknown-27"
