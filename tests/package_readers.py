"""Other readers of a package: protobuf's own library, and four readers of zips.

The messages are those of AOSP's update_metadata.proto and ota_metadata.proto at commit e2094a19.
"""

import hashlib
import io
import shutil
import subprocess
import zipfile
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from signer.ota.container import load_container, load_entry

JAVA = Path(__file__).parent / "readers" / "ReadZips.java"
_FILE = descriptor_pb2.FileDescriptorProto
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "u32": _FIELD.TYPE_UINT32,
    "u64": _FIELD.TYPE_UINT64,
    "i64": _FIELD.TYPE_INT64,
    "bool": _FIELD.TYPE_BOOL,
    "text": _FIELD.TYPE_STRING,
    "data": _FIELD.TYPE_BYTES,
    "f32": _FIELD.TYPE_FIXED32,
    "enum": _FIELD.TYPE_INT32,
}
# A field is `number name type`, with `*` if it is repeated and `!` if it is required.
_PAYLOAD = {
    "Extent": "1 start_block u64, 2 num_blocks u64",
    "Signature": "1 version u32, 2 data data, 3 unpadded_signature_size f32",
    "Signatures": "1 signatures Signature*",
    "PartitionInfo": "1 size u64, 2 hash data",
    "InstallOperation": "1 type enum!, 2 data_offset u64, 3 data_length u64, 4 src_extents Extent*,"
    " 5 src_length u64, 6 dst_extents Extent*, 7 dst_length u64, 8 data_sha256_hash data,"
    " 9 src_sha256_hash data",
    "CowMergeOperation": "1 type enum, 2 src_extent Extent, 3 dst_extent Extent, 4 src_offset u32",
    "PartitionUpdate": "1 partition_name text!, 2 run_postinstall bool, 3 postinstall_path text,"
    " 4 filesystem_type text, 5 new_partition_signature Signature*,"
    " 6 old_partition_info PartitionInfo, 7 new_partition_info PartitionInfo,"
    " 8 operations InstallOperation*, 9 postinstall_optional bool,"
    " 10 hash_tree_data_extent Extent, 11 hash_tree_extent Extent, 12 hash_tree_algorithm text,"
    " 13 hash_tree_salt data, 14 fec_data_extent Extent, 15 fec_extent Extent, 16 fec_roots u32,"
    " 17 version text, 18 merge_operations CowMergeOperation*, 19 estimate_cow_size u64,"
    " 20 estimate_op_count_max u64",
    "DynamicPartitionGroup": "1 name text!, 2 size u64, 3 partition_names text*",
    "VABCFeatureSet": "1 threaded bool, 2 batch_writes bool",
    "DynamicPartitionMetadata": "1 groups DynamicPartitionGroup*, 2 snapshot_enabled bool,"
    " 3 vabc_enabled bool, 4 vabc_compression_param text, 5 cow_version u32,"
    " 6 vabc_feature_set VABCFeatureSet, 7 compression_factor u64",
    "ApexInfo": "1 package_name text, 2 version i64, 3 is_compressed bool, 4 decompressed_size i64",
    "DeltaArchiveManifest": "3 block_size u32, 4 signatures_offset u64, 5 signatures_size u64,"
    " 12 minor_version u32, 13 partitions PartitionUpdate*, 14 max_timestamp i64,"
    " 15 dynamic_partition_metadata DynamicPartitionMetadata, 16 partial_update bool,"
    " 17 apex_info ApexInfo*, 18 security_patch_level text",
}
_METADATA = {
    "PartitionState": "1 partition_name text, 2 device text*, 3 build text*, 4 version text",
    "DeviceState": "1 device text*, 2 build text*, 3 build_incremental text, 4 timestamp i64,"
    " 5 sdk_level text, 6 security_patch_level text, 7 partition_state PartitionState*",
    # Protobuf encodes a map as repeated messages of this type.
    "Pair": "1 key text, 2 value text",
    "OtaMetadata": "1 type enum, 2 wipe bool, 3 downgrade bool, 4 property_files Pair*,"
    " 5 precondition DeviceState, 6 postcondition DeviceState,"
    " 7 retrofit_dynamic_partitions bool, 8 required_cache i64, 9 spl_downgrade bool",
}


@cache
def _messages():
    """Return the classes of all messages by name."""
    pool, found = descriptor_pool.DescriptorPool(), {}
    for package, syntax, messages in (
        ("payload", "proto2", _PAYLOAD),
        ("ota", "proto3", _METADATA),
    ):
        file = _FILE(name=f"{package}.proto", package=package, syntax=syntax)
        for name, fields in messages.items():
            message = file.message_type.add(name=name)
            for text in fields.split(","):
                number, field, kind = text.split()
                label = {"*": _FIELD.LABEL_REPEATED, "!": _FIELD.LABEL_REQUIRED}.get(kind[-1])
                kind = kind.rstrip("*!")
                added = message.field.add(
                    name=field, number=int(number), label=label or _FIELD.LABEL_OPTIONAL
                )
                if kind in _TYPES:
                    added.type = _TYPES[kind]
                else:
                    added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{package}.{kind}"
        pool.Add(file)
        for name in messages:
            descriptor = pool.FindMessageTypeByName(f"{package}.{name}")
            found[name] = message_factory.GetMessageClass(descriptor)
    return found


def parse(name, raw):
    """Return a message as protobuf's library reads it; raises DecodeError or ValueError."""
    message = _messages()[name]()
    message.ParseFromString(raw)
    if not message.IsInitialized():
        raise ValueError(f"a {name} lacks what it must have")
    return message


def read_by_signer(data):
    """Return the sha256 of every entry by name, as the signer reads them."""
    stream = io.BytesIO(data)
    container = load_container(stream, len(data))
    return {
        name: _hash(load_entry(stream, entry, len(data) * 200))
        for name, entry in container.entries.items()
    }


def read_by_zipfile(data):
    """Return the sha256 of every entry by name, as Python's zipfile reads them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: _hash(archive.read(info)) for info in archive.infolist()}


def read_by_unzip(path, folder):
    """Return the sha256 of every file by name that Info-ZIP's unzip writes to an empty folder."""
    done = subprocess.run(
        [shutil.which("unzip"), "-qq", "-o", path, "-d", folder], capture_output=True, check=False
    )
    if done.returncode:
        return {"": done.stderr.decode(errors="replace")}
    return {
        f"{each.relative_to(folder)}/" if each.is_dir() else str(each.relative_to(folder)): _hash(
            b"" if each.is_dir() else each.read_bytes()
        )
        for each in folder.rglob("*")
    }


def read_by_java(paths):
    """Return the sha256 of every entry by name for each path, as Java reads them from a stream."""
    command = [shutil.which("java"), "-XX:TieredStopAtLevel=1", JAVA, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {path: {} for path in paths}
    for line in done.stdout.splitlines():
        path, name, digest = line.split("\t")
        found[Path(path)][name] = digest
    return found


def _hash(data):
    return hashlib.sha256(data).hexdigest()
