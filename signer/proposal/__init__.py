"""Changes that several people sign: proposals, reviews, signatures, acceptance, submission.

`propose` turns a change into a file (`document`); each holder reads it (`review`, `role_review`)
and signs it (`signing`). `accept` adds the signatures to the proposal and, once the threshold is
met, the versions to the working folder; `submission` submits them. `trust` verifies every step from
the root on.
"""
