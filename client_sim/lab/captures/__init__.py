"""Recordings of real phones.

A file comes in (`loading`: pcap, pcapng or HAR), an audit goes out.

- From frames to connections: `pcap`, `pcapng`, `frame`, `links`, `packets`, `fragments`,
  `segments`, `streams`, put together by `dissection`; `tshark` with `key_log` takes TLS off; `har`
  has requests already. `seen` is what all of them give.
- Judged: `audit` asks one `question` after the other (`judging`): `requests`, `fields`, `contacts`,
  `hosts`, `dns`, `writing`, `dialects`. `observing` shows a capture to the lab's own judges,
  `known` is what is known of the owner.
- Told: `showing`, `page`, `exporting`, with `evidence` and `redaction`.
- Recorded here: `recorder`, with `metadata_source`, `answering`, `recorded_wire`, `wire` and
  `capture_file`.
"""
