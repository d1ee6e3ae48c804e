"""Why somebody may not have a task that the scheduler offers."""

from __future__ import annotations

from backend.errors import Conflict


class NotOffered(Conflict):
    """The task is offered to another agent, to nobody, or was to this one."""

    code, title = "not_offered", "This task is not offered to you now."


class GivenByScheduler(Conflict):
    """The buyer has left the choice to the scheduler; the task is not awarded to a bid by hand."""

    code, title = "given_by_scheduler", "The scheduler chooses the agent of this task."
