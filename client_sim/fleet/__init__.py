"""Fleets: many simulated phones that load a real server over real sockets.

In comes a server, or none, and the habits of phones; out comes a report. Read in this order:

- `fleet` runs workers (`workers`) on one clock; each has a `driver`, which begins polls that are
  due (`timer_wheel`) and takes a phone from request to request.
- `response_learner` runs the phone's real code once for each trust state, and `answer_tree` keeps
  what it asked and which answers it accepted. `deciding` makes a phone's decision by its real code.
- `loader` sends requests and passes whole answers on (`answers`); benchmarks and soak runs use it,
  too. `call` is a phone's exchange, or that of several phones at once.
- `own_server` starts a server with models of its own (`test_repository`, `builds`); `survey` finds
  the phones of another one. `twins` repeats some installations by the real update engine.
- `tally` and `lines` count; `report` and `presentation` tell.
"""
