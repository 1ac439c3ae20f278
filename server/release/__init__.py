"""The control plane: uploads, submissions, rollouts, accounts, webhooks and their HTTP API."""
