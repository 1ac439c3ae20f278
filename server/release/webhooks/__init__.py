"""Webhooks: events are signed and sent to configured addresses until these accept them.

`change_detector` compares the public tree with the last one and queues an `event` for each change;
`deliveries` are the queued ones, `delivery` sends them again until they are accepted, `sender`
makes one attempt, to an address that `urls` allows. `directory` manages addresses and secrets.
"""
