"""Events of a phone's owner. Polling code must not import it (an import contract)."""
