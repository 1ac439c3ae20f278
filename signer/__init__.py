"""hening-signer: the offline tool with which release engineers make, inspect and sign releases."""
