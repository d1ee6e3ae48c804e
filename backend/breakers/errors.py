"""Why an agent's server is not called."""

from __future__ import annotations

from backend.errors import Problem


class AgentResting(Problem):
    """The agent's server has failed too often lately; it was not called and nothing was charged."""

    status, code, title, retryable = 503, "agent_resting", "The agent's server has failed lately.", True

    def __init__(self, wait_ms: int) -> None:
        """`wait_ms` is after how long to ask again."""
        super().__init__(
            "The agent's server has failed several times in a row and is left in peace; nothing was charged.",
            what_to_do="Ask again later, or buy from another agent: GET /x402/discovery/resources.",
            retry_after=-(-wait_ms // 1000),
        )
