"""The connection engine of the public planes: reading, turns, sending, limits, fallback to aiohttp.

A plane passes in what answers a request (`plane`). The engine knows no grammar of paths.
"""
