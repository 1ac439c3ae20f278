"""One accepted and one refused package for each rule of metadata and payload properties."""

from fixtures.ota_writer import METADATA, encode_metadata
from tests.package_drafts import FIXED64, SOURCE, bytes_of, put, seal, values
from tests.package_rule import add_entry, all_of, of_full, of_signer, of_step, same, set_manifest

STREAMING = "ota-streaming-property-files"
TOKEN = len(",:12345:1")
METADATA_KEYS = "ota-property-files=\nota-streaming-property-files=\n"


def _lines(**texts):
    """Set lines of the text metadata; None removes a line. An underscore stands for a hyphen."""

    def change(draft):
        for key, value in texts.items():
            draft.texts[key.replace("_", "-")] = value
        draft.texts = {key: value for key, value in draft.texts.items() if value is not None}

    return change


def _pb(part, at, value, wire=None):
    """Set a field of metadata.pb, or of its precondition (5) or postcondition (6)."""

    def change(draft):
        fields = draft.pb if part is None else values(draft.pb, part)[0]
        put(fields, at, value, wire)

    return change


def _text(change):
    """Change the bytes of the text metadata after the property files were written into it."""
    return lambda draft: setattr(draft, "text", change)


def _text_length(limit, beyond):
    """Pad the property files until the text metadata has `limit` bytes, or one more."""

    def change(draft):
        have = len(encode_metadata(draft.texts)) + len(METADATA_KEYS)
        draft.reserved = (limit - have) // 2 + beyond

    return change


def _devices(*names):
    def change(draft):
        draft.texts["pre-device"] = "|".join(names)
        for part in (5, 6):
            fields = values(draft.pb, part)[0]
            fields[:] = [bytes_of(1, name) for name in names] + [f for f in fields if f[0] != 1]

    return change


def _fingerprint(length):
    value = "Hening/".ljust(length, "x")
    return all_of(_lines(post_build=value), _pb(6, 2, value))


def _incremental(length):
    value = "1".ljust(length, "x")
    return all_of(_lines(post_build_incremental=value), _pb(6, 3, value))


def _built(moment):
    return all_of(_lines(post_timestamp=str(moment)), _pb(6, 4, moment), set_manifest(14, moment))


def _patched(day):
    return all_of(_lines(post_security_patch_level=day), _pb(6, 6, day), set_manifest(18, day))


def _sdk(level):
    return all_of(_lines(post_sdk_level=level), _pb(6, 5, level))


def _sources(count):
    """Let an incremental package start from this many builds, including the running one."""
    builds = [SOURCE.fingerprint, *(f"Hening/{index}" for index in range(count - 1))]

    def change(draft):
        draft.texts["pre-build"] = "|".join(builds)
        fields = values(draft.pb, 5)[0]
        put(fields, 2, None)
        fields += [bytes_of(2, build) for build in builds]

    return change


METADATA_RULES = {
    "metadata-length": of_full(_text_length(65_536, 0), _text_length(65_536, 1)),
    "metadata-line": of_full(same, _text(lambda raw: raw + b"x\n")),
    "metadata-empty-line": of_full(same, _text(lambda raw: raw + b"\n")),
    "metadata-key": of_signer(same, _text(lambda raw: raw + b"#x=1\n")),
    "metadata-twice": of_full(same, _text(lambda raw: raw + b"ota-type=AB\n")),
    "metadata-known": of_signer(same, _lines(x_new="1")),
    "metadata-ascii": of_signer(same, _lines(ota_required_cache="0\xe9")),
    "metadata-type": of_full(same, all_of(_lines(ota_type="BLOCK"), _pb(None, 1, 2))),
    "metadata-device": of_full(_devices("armani", "dior"), _devices("dior")),
    "metadata-fingerprint": of_full(_fingerprint(128), _fingerprint(129)),
    "metadata-incremental": of_full(_incremental(64), _incremental(65)),
    "metadata-one-target": of_signer(
        same, all_of(_lines(post_build="Hening/1|Hening/2"), _pb(6, 2, "Hening/1|Hening/2"))
    ),
    "metadata-timestamp": of_full(_built(2**53 - 1), _built(2**53)),
    "metadata-patch-level": of_full(_patched("2028-02-29"), _patched("2027-02-29")),
    "metadata-sdk-level": of_full(_sdk(str(2**53 - 1)), _sdk(str(2**53))),
    "metadata-sources": of_step(_sources(8), _sources(9)),
    "metadata-both-sources": of_step(
        same, all_of(_lines(pre_build_incremental=None), _pb(5, 3, None))
    ),
    "metadata-incremental-payload": of_step(
        same,
        all_of(
            _lines(pre_build=None, pre_build_incremental=None), _pb(5, 2, None), _pb(5, 3, None)
        ),
    ),
    "metadata-wipe": of_full(same, all_of(_lines(ota_wipe="yes"), _pb(None, 2, 1))),
    "metadata-downgrade": of_full(same, all_of(_lines(ota_downgrade="yes"), _pb(None, 3, 1))),
    "metadata-spl-downgrade": of_full(same, all_of(_lines(spl_downgrade="yes"), _pb(None, 9, 1))),
    "metadata-retrofit": of_full(
        same, all_of(_lines(ota_retrofit_dynamic_partitions="yes"), _pb(None, 7, 1))
    ),
    "metadata-serialno": of_full(same, _lines(serialno="x")),
    "metadata-pb-agrees": of_signer(_pb(6, 1, None), _pb(6, 1, "dior")),
    "metadata-pb-conditions": of_signer(same, _pb(5, 4, 1)),
    "metadata-pb-wire": of_signer(same, _pb(6, 4, 1, FIXED64)),
}


def _drop_name(name):
    return lambda draft: draft.names.remove(name)


def _property_name(length):
    """List an entry whose name has `length` characters."""

    def change(draft):
        name = "n" * length
        add_entry(name)(draft)
        draft.names.append(name)

    return change


def _list(change, key="ota-streaming-property-files"):
    return lambda draft: draft.lists.update({key: change})


def _listed(length):
    """List entries until the streaming property files have `length` characters."""

    def change(draft):
        draft.reserved = 2048
        while rest := length - len(seal(draft).texts[STREAMING].rstrip(" ")):
            name = str(len(draft.names)).ljust(rest - TOKEN if rest <= 64 + TOKEN else 40, "n")
            add_entry(name)(draft)
            draft.names.append(name)

    return change


PROPERTY_RULES = {
    "files-needed": of_full(same, _drop_name(METADATA)),
    "files-name": of_full(_property_name(64), _property_name(65)),
    "files-length": of_full(_listed(1_024), _listed(1_025)),
    "files-twice": of_full(same, _list(lambda text: f"{text},{text.split(',')[0]}")),
    "files-true": of_full(same, _list(lambda text: text.replace(":", ":0"))),
    "files-streaming": of_full(same, _list(lambda _: None)),
    "properties-length": of_full(
        lambda draft: draft.properties.update({"DOWNLOAD_RETRY": "1" * 512}),
        lambda draft: draft.properties.update({f"X{index}": "1" * 512 for index in range(32)}),
    ),
    "properties-true": of_full(same, lambda draft: draft.properties.update({"FILE_SIZE": "1"})),
    "properties-known": of_signer(same, lambda draft: draft.properties.update({"EXTRA": "1"})),
    "properties-wipe": of_signer(
        lambda draft: draft.properties.update({"POWERWASH": "0", "SPL_DOWNGRADE": "0"}),
        lambda draft: draft.properties.update({"POWERWASH": "1"}),
    ),
    "properties-revealing": of_signer(
        same, lambda draft: draft.properties.update({"USER_AGENT": "x"})
    ),
}
