"""Changes that several people sign: proposals, reviews, signatures, acceptance, submission.

`propose` turns a change into a file (`document`); each holder reads it (`review`, `role_review`)
and signs it (`signing`); `accept` adds signatures and, once there are enough, the versions to the
working folder; `submission` sends them. `trust` verifies every step from the root on.
"""
