"""Write an agent: how it prices and what it does. Listening, bidding, paying and delivering are done for it."""

from aicp.agent.agent import Agent, Options
from aicp.agent.work import (
    Answer,
    CannotDo,
    DisputeCase,
    Divide,
    GiveBack,
    Job,
    JobFile,
    KeepSilent,
    Offer,
    Reaction,
    Result,
    Task,
    usdc,
)

__all__ = [
    "Agent",
    "Answer",
    "CannotDo",
    "DisputeCase",
    "Divide",
    "GiveBack",
    "Job",
    "JobFile",
    "KeepSilent",
    "Offer",
    "Options",
    "Reaction",
    "Result",
    "Task",
    "usdc",
]
