"""The A/B update engine: payload operations, slots, boot control.

A package's bytes come in by ranges, images of the inactive slot go out. `install` does all of it:
`package`, `package_metadata` and `prefix` open the zip, `payload` (by `protobuf`), `manifest` and
`manifest_checks` say what to write, `stream` applies `operations` block after block (`bsdiff`,
`decompression`), `apply` does so from a file. `signatures` and `digest` verify; `journal` makes
a power cut cost a block. `slots` and `boot_state` are the two slots and the bootloader.
"""
