"""What the programs have in common: what they say about themselves. It imports none of them."""
