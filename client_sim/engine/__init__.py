"""The A/B update engine: payload operations, slots, boot control.

It reads ranges of a package and writes the images of the inactive slot. Read `install` first, which
uses the other modules:

- `package`, `package_metadata` and `prefix` locate and check the parts of the zip.
- `payload`, `manifest` (both with `protobuf`) and `manifest_checks` decode the operations.
- `apply` applies `operations` from a file, `stream` while the package is fetched; `bsdiff` and
  `decompression` produce their data.
- `signatures` and `digest` verify the package.
- `journal` stores the progress, so that a power cut costs at most one block.
- `slots` and `boot_state` are the two slots and the bootloader.
"""
