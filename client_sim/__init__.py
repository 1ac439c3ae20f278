"""hening-device: the phone simulator and the privacy lab, written from docs/FORMATS.md alone.

It imports neither `server` nor `signer`. Read in this order:

    world        what a client receives: clock, randomness, sockets, the owner's data
    device/      one phone: trust, requests, choice, installation
    engine/      the A/B update engine
    content/     packs of public content on the phone
    tuf/         the phone's trust as an ordinary TUF client
    owner_events/ what happens to the owner, which no poll may show
    lab/         the proof that no poll shows it
    fleet/       many phones at once
    compat/      existing Updater apps, as strict readers
    cloud/       the owner's backup
    pages/       reports as HTML

`persona` is an owner whose data is planted and drawn from a `tape`, `countries` where owners are at
home, `transport` the bytes of a
request, `der` the reader of certificates, `clock` the one place with a real clock, `cli` the
command line.
"""
