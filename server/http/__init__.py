"""The connection engine of the public planes: reading, turns, sending, limits, fallback to aiohttp.

Each plane (`plane`) chooses the answers to its requests; the engine does not know their paths.

- `listener` listens on sockets, `connections` is the registry of open connections and their limits.
- `fast_path` reads a head (`heads`), asks the plane, and sends the answer. `turns` keeps
  connections with many requests from delaying the others. `fallback` answers all other requests by
  aiohttp.
- `downloads` and `sending` send packages; `sending` also cuts clients that stop reading.
- `requests`, `answers` and `counts` are the rules, answers and counters of all public planes.
"""
