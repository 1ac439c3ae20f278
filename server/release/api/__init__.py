"""The control plane over HTTP: operations with types, from which the OpenAPI page is made."""
