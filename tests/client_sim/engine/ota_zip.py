"""Wraps a payload of a test into an OTA zip."""

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from client_sim.engine.package import open_package

METADATA = "META-INF/com/android/metadata"
TEXT = b"ota-type=AB\npre-device=armani\n"


class Zip:
    """An OTA zip around a payload, written with Python's own zip writer, and its two strings."""

    def __init__(self, payload: bytes, **changes: bytes) -> None:
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
            for path, data in entries.items():
                archive.writestr(zipfile.ZipInfo(path), data)
                offset = archive.getinfo(path).header_offset + 30 + len(path)
                self.ranges[Path(path).name] = (offset, len(data))
        self.ranges["payload_metadata.bin"] = (self.ranges["payload.bin"][0], self.head)
        self.data = out.getvalue()

    @property
    def property_files(self) -> str:
        """The property-files string."""
        return ",".join(f"{name}:{start}:{size}" for name, (start, size) in self.ranges.items())

    def open(self):
        """Open it as the engine does."""
        return open_package(
            io.BytesIO(self.data),
            property_files=self.property_files,
            payload_properties=self.properties,
        )
