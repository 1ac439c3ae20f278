"""The control plane: uploads, submissions, rollouts, people, webhooks and their HTTP API."""
