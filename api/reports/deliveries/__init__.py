"""The ways an edition reaches people: a signed webhook, a Slack-compatible webhook, e-mail."""
