"""Recordings of real phones.

A file comes in (`loading`: pcap, pcapng or HAR), an audit goes out.

- From frames to connections: `packet_files`, `packets`, `connections` and `dns`, put together by
  `dissection`; `tshark` takes TLS off; `har` has requests already. `seen` is what all of them give,
  and how it is shown to the lab's own judges.
- Judged: `audit` asks one question after the other (`judging`, `hosts`, `dialects`), with
  `requests` and `evidence`; `known` is what is known of the owner. Told by `showing`.
- Recorded here: `recorder`, with `answering` and `capture_file`.
"""
