"""Webhooks: signed events, sent to configured addresses until the receivers accept them.

`change_detector` compares the public tree with the announced state and queues an `event` for each
change. `deliveries` is the queue, and `delivery` works through it, with retries. `sender` makes one
attempt, to an address that `urls` allows. `directory` manages webhooks and their secrets.
"""
