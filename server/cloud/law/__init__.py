"""Legal duties of a region: policies, consents, erasure, export, and notices to owners.

    policies   versions of the region's signed policy, one of which is in force
    receipts   signed receipts of consents and erasures
    consents   consents in the database, and the check before an upload
    erasure    erase an account in resumable steps
    journal    records of erasures outside the database, for restored backups
    export     an account as one ZIP
    notices    notices to owners: breaches, new policies, and announced erasures
    rounds     owners' requests, and the periodic tasks
    routes     `/policy/`, `/erasure/` and the legal part of `/account/1/`

All periods come from the policy. Source: docs/adr/0071.
"""
