"""Hypothesis strategies that test modules share: hostile values, and values of hening's formats."""

from hypothesis import strategies as st

MAX_INTEGER = 2**53 - 1

#: Everything that `json.loads` can return, including floats and integers of any size.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([1, 0, "", "1", "full", "2026-01-05", 2**53]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

#: Everything that hening's canonical JSON can represent.
canonical_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)

integers = st.integers(0, MAX_INTEGER)
positives = st.integers(1, MAX_INTEGER)
codenames = st.text("abz09_-", min_size=1, max_size=32).filter(lambda text: text[0] not in "_-")
segments = st.text("abz09-", min_size=1, max_size=16).filter(lambda text: text[0] != "-")
sha256s = st.binary(min_size=32, max_size=32).map(bytes.hex)
printable = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
fingerprints = st.text(printable, min_size=1, max_size=128)
days = st.dates().map(lambda day: day.isoformat())
locales = st.sampled_from(["en", "id", "zh-Hans", "pt-BR", "fil"])
hashes = st.binary(min_size=32, max_size=32)


@st.composite
def releases(draw):
    """Draw the `custom` object of a release of FORMATS section 3."""
    counter = draw(positives)
    kind = draw(st.sampled_from(["full", "incremental"]))
    return {
        "schema": 1,
        "type": kind,
        "counter": counter,
        "fingerprint": draw(fingerprints),
        "incremental": draw(st.text(printable, min_size=1, max_size=64)),
        "post_timestamp": draw(integers),
        "security_patch_level": draw(days),
        "sdk_level": draw(integers),
        "source_builds": []
        if kind == "full"
        else draw(st.lists(fingerprints, min_size=1, max_size=8)),
        "min_counter": draw(st.integers(0, counter - 1)),
        "property_files": draw(st.text(printable, min_size=1, max_size=80)),
        "payload_properties": {
            "FILE_HASH": "A" * 43 + "=",
            "FILE_SIZE": str(draw(integers)),
            "METADATA_HASH": "A" * 43 + "=",
            "METADATA_SIZE": str(draw(integers)),
        },
        "changelog": draw(st.dictionaries(locales, st.text(max_size=40), max_size=3)),
        "withdrawn": draw(st.booleans()),
    }


@st.composite
def pointers(draw, channel="armani/id/stable"):
    """Draw the `custom` object of a pointer of FORMATS section 4."""
    counters = sorted(draw(st.sets(positives, min_size=1, max_size=8)))
    starts = sorted(draw(st.sets(integers, min_size=1, max_size=16)))
    shares = sorted(
        draw(st.lists(st.integers(0, 1000), min_size=len(starts), max_size=len(starts)))
    )
    steps = [
        {
            "n": counter,
            "t": draw(integers),
            "l": draw(days),
            "m": draw(st.integers(0, counter - 1)),
            "k": [
                {
                    "p": f"{channel}/a{number}.zip",
                    "z": draw(positives),
                    "x": draw(sha256s),
                    "b": draw(st.lists(fingerprints, min_size=1, max_size=2)) if number else [],
                }
                for number in range(draw(st.integers(1, 3)))
            ],
        }
        for counter in counters
    ]
    return {
        "v": 1,
        "s": steps,
        "r": [list(pair) for pair in zip(starts, shares, strict=True)],
        "p": draw(st.booleans()),
        "h": draw(st.booleans()),
        "t": draw(st.dictionaries(locales, st.text(max_size=40), max_size=3)),
    }
