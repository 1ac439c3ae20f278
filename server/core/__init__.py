"""Pure vocabulary shared with the signer: formats, names, rules; no I/O and no clock.

Values in, values out: what these modules decode was received as bytes, and what they encode is
signed or published. Read `names` and `encodings` first.

- What is signed: `metadata` (TUF), `release` (a model's role), `pointer` and `latest`
  (what a channel offers), `content/` (packs), `cloud_policy`.
- What is allowed: `profile` (of TUF), `limits` (of what cannot be taken back), `succession` (from
  one version of a role to the next), `release_texts`.
- Changes of a role before it is signed: `role_edit`, `proposal`.
- The transparency log: `tlog`, `tiles`, `checkpoint`, `note`.
- Between signer and server: `bundle`.
- Small ones: `buckets` (rates), `der`, `quantities` (for people), `errors`.
"""
