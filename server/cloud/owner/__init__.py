"""The account door: what an owner's device asks of its account, in JSON.

    routes    `/account/1/`: all of it; usage, and tokens of programs
    devices   sessions, keys of devices, and approval of new ones
    keys      recovery words, and a new account key
    page      `/owner/TOKEN`: the page of an owner, and links to it

Source: docs/FORMATS.md section 17.
"""
