"""Formats, names and rules shared with the signer: pure functions, without I/O and clock.

The modules decode received bytes, and encode values that are signed or published. Read `names` and
`encodings` first.

- Signed formats: `metadata` (TUF), `release` (a model's role), `pointer` and `latest` (what a
  channel offers), `content/` (packs), `cloud_policy`.
- Rules: `profile` (which TUF is accepted), `limits` (of values that cannot be taken back),
  `succession` (from one version of a role to the next), `release_texts`.
- Edits of a role before it is signed: `role_edit`, `proposal`.
- The transparency log: `tlog`, `tiles`, `checkpoint`, `note`.
- From the signer to the server: `bundle`.
- Helpers: `buckets` (rate limits), `der`, `quantities` (for people), `errors`.
"""
