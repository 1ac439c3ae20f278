"""hening-signer: what release engineers use to make, inspect and sign releases offline."""
