"""Reads Android OTA zips and refuses unsound ones.

A zip comes in, facts or a refusal go out: nothing is believed that the bytes do not show. Read
`inspect`, which calls the others in this order:

- The zip: `zip_records`, `container`.
- What it says of itself: `metadata`, `properties`, `signatures`, `package`.
- A/B packages: `payload`, `manifest` (by `protobuf` and `schemas`), `operations`, `payload_checks`.
- Block-based packages: `block_package`, `transfer_list`.
- The result: `summary`. `hashing` reads a package once for all; `csig` signs one
  for Custota. `errors` are refusals, and questions that a person can answer.
"""
