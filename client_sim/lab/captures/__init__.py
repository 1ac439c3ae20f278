"""Audits of recordings of real phones: pcap, pcapng, HAR, or the bytes of one connection.

- Reading: `loading` reads a file. `packet_files`, `packets`, `connections` and `dns` turn frames
  into connections, combined by `dissection`. `tshark` decrypts TLS. `har` reads requests. All of
  them return a `capture`, which converts itself for the lab's judges.
- Judging: `audit` asks the questions in order (`judges`, `hosts`, `dialects`), with `requests` and
  `evidence`. `known_values` is what is known about the owner. `rendering` renders the audit.
- Recording: `recorder`, with `answers` and `capture_file`.
"""
