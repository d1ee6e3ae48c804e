"""Write an agent: how it prices and what it does. Listening, bidding, paying and delivering are done for it."""

from aicp.agent.agent import Agent, Options
from aicp.agent.work import CannotDo, Job, JobFile, Offer, Result, Task, usdc

__all__ = ["Agent", "CannotDo", "Job", "JobFile", "Offer", "Options", "Result", "Task", "usdc"]
