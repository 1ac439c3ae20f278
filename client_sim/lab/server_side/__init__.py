"""The instrument pointed at a server: planted requests, and a search of what it kept of them.

`order` says what to examine and what came of it; `examine` does it. `planting` puts `canaries` in
all `positions`, `exchange` sends them, `search` looks for them in all `places`. `alike` compares
answers.
"""
