"""OTA zips around the payloads of tests."""

import base64
import datetime as dt
import hashlib
import io
import zipfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from client_sim.engine.install import Expected, install_package, install_stream
from client_sim.engine.package import open_package
from client_sim.world import BuildFacts
from tests.client_sim.engine.streamed import Blocks

METADATA = "META-INF/com/android/metadata"
TEXT = b"ota-type=AB\npre-device=armani\n"
# The metadata of a package for a phone that runs RUNNING.
FULL_TEXT = (
    "ota-type=AB\npre-device=armani\npost-build=new\npost-build-incremental=2\n"
    "post-timestamp=2000\npost-security-patch-level=2026-03-05\n"
)
FROM_OLD = "pre-build=old\npre-build-incremental=1\n"
RUNNING = BuildFacts("old", "1", 1, 1000, "2026-01-05")
EXPECTED = BuildFacts("new", "2", 2, 2000, "2026-03-05")


class Zip:
    """An OTA zip around a payload, written with Python's zip writer, and its two strings."""

    def __init__(self, payload: bytes, key=None, order=None, **changes: bytes) -> None:
        size = 24 + int.from_bytes(payload[12:20], "big")
        self.head = size + int.from_bytes(payload[20:24], "big")
        self.properties = {
            "FILE_HASH": base64.b64encode(hashlib.sha256(payload).digest()).decode(),
            "FILE_SIZE": str(len(payload)),
            "METADATA_HASH": base64.b64encode(hashlib.sha256(payload[:size]).digest()).decode(),
            "METADATA_SIZE": str(size),
        }
        text = "".join(f"{key}={value}\n" for key, value in self.properties.items()).encode()
        entries = {
            METADATA: TEXT,
            "payload.bin": payload,
            "payload_properties.txt": text,
            **changes,
        }
        out = io.BytesIO()
        self.ranges = {}
        with zipfile.ZipFile(out, "w") as archive:
            for path in order or entries:
                data = entries[path]
                archive.writestr(zipfile.ZipInfo(path), data)
                offset = archive.getinfo(path).header_offset + 30 + len(path)
                self.ranges[Path(path).name] = (offset, len(data))
        self.ranges["payload_metadata.bin"] = (self.ranges["payload.bin"][0], self.head)
        self.data = out.getvalue()
        if key is not None:
            self.data = sign_package(self.data, key)
        self.sha256 = hashlib.sha256(self.data).hexdigest()

    @property
    def property_files(self) -> str:
        """Return the property-files string."""
        return ",".join(f"{name}:{start}:{size}" for name, (start, size) in self.ranges.items())

    def install(self, way, slots, certificate, *, blocks=None, properties=None):
        """Install it on a phone as `file` or as `stream`."""
        expected = Expected(
            sha256=self.sha256,
            property_files=self.property_files,
            payload_properties=properties or self.properties,
            certificate=certificate,
            facts=EXPECTED,
            codename="armani",
        )
        if way == "file":
            return install_package(io.BytesIO(self.data), slots, expected)
        return install_stream(blocks or Blocks(self.data, 4096), slots, expected)

    def open(self):
        """Open it as the engine does."""
        return open_package(
            io.BytesIO(self.data),
            property_files=self.property_files,
            payload_properties=self.properties,
        )


def make_certificate(key) -> bytes:
    """Make a self-signed PEM certificate that has long expired, which a phone ignores."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(dt.datetime(2009, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(2010, 1, 1, tzinfo=dt.UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sign_package(data: bytes, key, times=1) -> bytes:
    """Put `times` whole-file signatures into the empty comment of a zip."""
    signed = data[:-2]
    options = [
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.NoAttributes,
    ]
    certificate = x509.load_pem_x509_certificate(make_certificate(key))
    builder = pkcs7.PKCS7SignatureBuilder().set_data(signed)
    for _ in range(times):
        builder = builder.add_signer(certificate, key, hashes.SHA256())
    return signed + comment(builder.sign(serialization.Encoding.DER, options))


def comment(message: bytes) -> bytes:
    """Write a zip's comment around a signature, from the two bytes of its length on."""
    text = b"signed by a test\0"
    start = len(message) + 6
    size = (len(text) + start).to_bytes(2, "little")
    return size + text + message + start.to_bytes(2, "little") + b"\xff\xff" + size
