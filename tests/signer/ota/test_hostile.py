"""Each hostile package is refused in one sentence that names its fault."""

import pytest

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.hostile import hostile_zips
from signer.ota.errors import OtaError
from signer.ota.inspect import inspect_ota
from tests.cases import case

# A part of the message, by the name of the hostile package.
FAULTS = {
    "not-a-zip": "not a zip",
    "empty": "not a zip",
    "truncated-start": "cut off",
    "truncated-half": "cut off",
    "truncated-directory": "cut off",
    "truncated-comment": "comment is not as long",
    "truncated-last-byte": "comment is not as long",
    "trailing-byte": "comment is not as long",
    "leading-bytes": "directory is not where",
    "bomb-entries": "has 5000 entries",
    "bomb-entry-count": "has 60000 entries",
    "bomb-ratio": "zeros.bin would grow more than 200 times",
    "bomb-size": "notes.bin would grow more than 200 times",
    "bomb-understated": "notes.bin do not match the zip's size and checksum",
    "duplicate-payload": "has payload.bin twice",
    "duplicate-metadata": "has META-INF/com/android/metadata twice",
    "local-name-differs": "local header disagree about payload.bin",
    "local-size-differs": "local header disagree about payload.bin",
    "local-method-differs": "local header disagree about payload.bin",
    "encrypted": "payload.bin is encrypted",
    "unknown-method": "payload.bin uses compression method 14",
    "crc-wrong": "payload.bin do not match the zip's size and checksum",
    "payload-deflated": "payload.bin is compressed",
    "overlap": "overlaps it",
    "into-the-directory": "payload_properties.txt runs into the central directory",
    "stray-bytes": "belong to no entry",
    "no-payload": "no payload.bin",
    "no-metadata": "no META-INF/com/android/metadata",
    "no-properties": "payload_properties.txt, which is not stored",
    "no-whole-file-signature": "no whole-file signature",
    "whole-file-signature-flipped": "whole-file signature is not by the given certificate",
    "whole-file-covers-something-else": "whole-file signature is not by the given certificate",
    "path-parent": "'../x' has a path that leads elsewhere",
    "path-parent-inside": "'META-INF/../../x' has a path that leads elsewhere",
    "path-absolute": "'/etc/x' has an absolute path",
    "path-drive": "'C:/x' has an absolute path",
    "path-backslash": "has a backslash",
    "path-nul": "'payload.bin\\x00.txt' has characters that no package uses",
    "path-empty": "name has 0 bytes",
    "path-not-ascii": "has characters that no package uses",
    "unicode-path": "has the extra field 7075, which no package needs",
    "descriptor-missing": "zzz.txt is stored and has its sizes after its data",
    "name-in-capitals": "has PAYLOAD.BIN and payload.bin, one name to some systems",
    "folder-with-data": "zzz/ is a folder but has data",
    "folder-of-that-name": "has Payload.bin/ and payload.bin, one name to some systems",
    "file-is-folder": "has payload.bin both as a file and as a folder",
    "metadata-disagree": "disagree about fingerprint",
    "metadata-line-twice": "has ota-type twice",
    "metadata-line-odd": "is not of the form key=value",
    "metadata-block-type": "disagree about ota_type: 'BLOCK' and 'AB'",
    "metadata-timestamp": "post-timestamp is 'x",
    "metadata-serialno": "serialno",
    "metadata-patch-level": "post-security-patch-level",
    "metadata-wipe-maybe": "ota-wipe is 'no'",
    "device-missing": "pre-device is missing",
    "device-list-differs": "disagree about devices",
    "device-twice": "pre-device names something twice",
    "device-other": "is for xxxxxx, not for armani",
    "metadata-pb-disagrees": "disagree about fingerprint",
    "metadata-pb-malformed": "metadata.pb is malformed",
    "metadata-pb-other-key": "disagree about the property files",
    "metadata-other-build": "disagree about the build date",
    "metadata-incremental-of-full": "disagree about whether the package is incremental",
    "offset-wrong": "ota-property-files says payload.bin is",
    "offset-beyond-file": "ota-property-files says payload.bin is",
    "size-wrong": "ota-property-files says payload.bin is",
    "payload-metadata-short": "ota-property-files says payload_metadata.bin is",
    "payload-metadata-not-named": "does not name payload_metadata.bin",
    "property-files-missing": "lacks ota-property-files",
    "property-file-odd": "not name:offset:size",
    "property-file-padded-number": "not name:offset:size",
    "property-file-twice": "names payload.bin twice",
    "property-file-unknown": "does not name payload.bin",
    "property-file-not-there": "names apex_info.pb, which is not stored",
    "property-file-elsewhere": "ota-property-files says payload.bin is 20 bytes at",
    "property-file-ambiguous": "names b, which is the last part of several entries",
    "properties-file-hash": "FILE_HASH is not the hash",
    "properties-metadata-hash": "METADATA_HASH is not the hash",
    "properties-file-size": "FILE_SIZE is",
    "properties-metadata-size": "METADATA_SIZE is",
    "properties-missing": "lacks FILE_HASH",
    "properties-odd": "a line that is not KEY=value",
    "properties-authorization": "has AUTHORIZATION",
    "properties-user-agent": "has USER_AGENT",
    "properties-network-id": "has NETWORK_ID",
    "otacert-other": "otacert is another certificate",
    "magic-wrong": "does not start with CrAU",
    "major-version-1": "major version 1",
    "major-version-3": "major version 3",
    "manifest-beyond-file": "beyond the end of the file",
    "manifest-huge": "a manifest of 4611686018427387904 bytes",
    "manifest-cut": "metadata signature is malformed",
    "metadata-signature-huge": "metadata signature larger than",
    "metadata-signature-length": "metadata signature is malformed",
    "payload-empty": "does not start with CrAU",
    "operation-move": "MOVE in partition system which updates in place",
    "operation-zero-in-full": "ZERO in partition system although it is a full one",
    "operation-copy-in-full": "SOURCE_COPY in partition system although it is a full one",
    "operation-no-target": "writes nothing",
    "operation-no-data": "with the wrong data",
    "replace-wrong-length": "REPLACE in partition system whose data is not as long as its target",
    "data-hash-mismatch": "does not match its hash",
    "data-hash-missing": "without a data hash",
    "data-beyond-blobs": "of more than 256 MiB",
    "data-offset-beyond": "lies beyond the end of the payload",
    "data-offset-gap": "does not follow that of the operation before it",
    "extent-beyond-partition": "writes beyond the end of partition system",
    "extent-huge": "writes beyond the end of partition system",
    "extent-overlaps": "writes a block of partition system twice",
    "extent-empty": "an extent has no blocks",
    "extent-leaves-hole": "leaves blocks of partition system unwritten",
    "minor-version-of-delta": "full one and has minor version 4",
    "minor-version-newer": "full one and has minor version 10",
    "manifest-not-protobuf": "manifest is malformed",
    "manifest-empty-message": "0 partitions",
    "manifest-field-twice": "field 3 occurs more than once",
    "manifest-padded-number": "a number is cut off, too long or padded",
    "block-size-odd": "block size is 4097; it must be 4096",
    "partition-twice": "has a partition twice",
    "partition-name-path": "partition named '../system'",
    "partition-empty": "no proper size and hash for partition system",
    "partition-without-info": "does not say what partition vendor becomes",
    "signature-not-at-end": "signature is not at the end",
    "blobs-unclaimed": "belong to no operation",
    "metadata-signature-flipped": "metadata signature is not by the given certificate",
    "payload-signature-flipped": "payload signature is not by the given certificate",
    "metadata-signature-malformed": "metadata signature is malformed",
}


def test_hostile_packages_are_refused(tmp_path, certificate):
    """Each hostile package is refused with one sentence, and nothing is written."""
    hostile = hostile_zips(build_zip(find_build("armani", "id", 2)))
    assert hostile.keys() == FAULTS.keys()
    for name in sorted(FAULTS):
        with case(name):
            path = tmp_path / "hostile.zip"
            path.write_bytes(hostile[name])
            with pytest.raises(OtaError) as caught:
                inspect_ota(path, certificate=certificate, codename="armani")
            sentence = str(caught.value)
            assert FAULTS[name] in sentence
            assert sentence.endswith(".")
            assert "\n" not in sentence
            assert list(tmp_path.iterdir()) == [path]
            assert path.read_bytes() == hostile[name]
