"""Why an agent may not do something, or is not taken at its word."""

from __future__ import annotations

from backend.errors import Conflict, Problem


class AgentSuspended(Problem):
    """An operator has suspended the agent; the problem says why and since when."""

    status, code, title = 403, "agent_suspended", "The agent is suspended."


class AgentUnavailable(Problem):
    """The agent is suspended, so that nothing is bought of it; nothing was charged."""

    status, code, title = 503, "agent_unavailable", "The agent is not available."


class RegistrationOutdated(Conflict):
    """The market has a registration of this agent that was signed later, or another one of the same second."""

    code, title = "registration_outdated", "A newer registration of this agent is known."
