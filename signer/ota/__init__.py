"""Reads Android OTA zips and refuses unsound ones.

`inspect` turns a zip into facts or a refusal, and trusts only what the bytes show. It uses the
other modules in this order:

- The zip: `zip_records`, `container`.
- Its description of itself: `metadata`, `properties`, `signatures`, `package`.
- A/B packages: `payload`, `manifest` (by `protobuf` and `schemas`), `operations`, `payload_checks`.
- Block-based packages: `block_package`, `transfer_list`.
- The result: `summary`.

`hashing` computes all hashes of a package in one read, and `csig` signs a package for Custota.
`errors` has the refusals and the questions that an inspection answers.
"""
