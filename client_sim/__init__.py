"""hening-device: the phone simulator and the privacy lab, written from docs/FORMATS.md alone.

It imports neither `server` nor `signer`. Read in this order:

    world        what a client receives: clock, randomness, sockets, the owner's data
    device/      one phone: trust, requests, choice, installation
    engine/      the A/B update engine
    content/     packs of public content on the phone
    tuf/         the phone's trust as an ordinary TUF client
    owner_events/ events in the owner's life, which no poll may reveal
    lab/         the privacy lab, which tests that no poll reveals them
    fleet/       simulations of many phones
    compat/      strict simulations of existing Updater apps
    cloud/       the owner's encrypted backup
    pages/       HTML reports

- The owner: `persona` holds an owner's fictional data, `tape` generates it from a seed, and
  `countries` assigns a home country.
- The phone: `transport` writes the bytes of requests, `der` decodes certificates, and only `clock`
  reads the real clock.
- The command line: `cli`.
"""
