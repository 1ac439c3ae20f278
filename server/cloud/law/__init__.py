"""What the law of the region asks for: policies, consents, erasures, and notices of them.

    policies   versions of the signed policy, of which one holds
    receipts   notes that the region signs: of consents and of erasures
    consents   consents in the database, and the check before anything is stored
    erasure    an account's way out, step by step; goes on after a crash
    notices    what owners have to know: breaches, policies, and announced erasures, those of
               withdrawn consent and of unused accounts
    rounds     all of this again and again, on whichever node
    routes     `/policy/` and the part of `/account/1/` that is about law

Numbers are the policy's alone; nothing here has one of its own. Source: docs/adr/0071.
"""
