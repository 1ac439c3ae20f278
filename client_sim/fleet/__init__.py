"""Fleets: many simulated phones that load a real server over real sockets.

The input is a `target` server, or none, and the habits of phones (`population`); the output is a
report. Read in this order:

- `fleet` runs workers (`workers`) on one clock. Each has a `driver`, which begins polls that are
  due (`timer_wheel`) and takes a phone from request to request.
- `response_learner` runs the phone's real code once for each trust state, and `answer_tree` stores
  its requests and their answers. `decisions` runs the real code for decisions.
- `loader` sends requests and passes on complete answers (`answers`); benchmarks and soak runs use
  it, too. `call` is the exchange of one phone, or of several phones in one packet.
- `own_server` starts a server with generated models (`test_repository`, `builds`); `survey` finds
  the phones of any server. `twins` repeats some installations with the real update engine.
- `tally` and `lines` count; `report` and `presentation` make the report.
"""
