"""What answers a client in the same process.

`session` is one run's view of a `repository`, whose text comes from `contents`, `descriptions`,
`packs`, `entries`, `pack_histories` and whose keys and log are `signing` and `log`; `answering`
makes HTTP of it. `scripted` needs no repository; `listening` and `authority` are real sockets and
TLS.

- `faults` lists what can go wrong (`fault`), each kind in a module `faults_`: of the network, of
  answers, of metadata, installations, packs.
- `hostile` lists pairs (`pairs`) that differ in what is not content, in modules `hostile_`: in
  fields, bodies, installations, parts, answers.
- For speed: `memo` and `parsed_answers`. To alter an answer: `replies`.
"""
