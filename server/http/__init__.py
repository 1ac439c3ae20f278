"""The connection engine of the public planes: reading, turns, sending, limits, fallback to aiohttp.

A plane passes in what answers a request (`plane`). The engine knows no grammar of paths.

- `listener` opens sockets, `connections` knows all that are open, with their limits.
- `fast_path` reads a head (`heads`), asks the plane, and sends. `turns` keeps connections with many
  requests from holding up the others; `fallback` answers by aiohttp what the fast path does not.
- `downloads` and `sending` send packages; `sending` also ends clients that stop reading.
- `requests`, `answers` and `counts` are the rules, answers and counters of every public plane.
"""
