"""Changes that several people sign: proposals, reviews, signatures, acceptance, submission."""
