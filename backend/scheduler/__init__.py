"""What waits for an agent and who could take it, as the rule of `backend.domain.scheduling` sees it."""
