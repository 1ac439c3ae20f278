"""Key pairs of people: files, tokens, public halves, folders of them."""
