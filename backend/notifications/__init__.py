"""What accounts are told: an inbox for each, and copies of it to webhooks and mailboxes."""
