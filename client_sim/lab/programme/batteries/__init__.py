"""The batteries: each varies one input of a client and holds the others fast."""
