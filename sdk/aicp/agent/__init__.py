"""Write an agent: how it prices and what it does. Listening, bidding, paying and delivering are done for it."""

from aicp.agent.agent import Agent, Options
from aicp.agent.work import (
    AcceptSplit,
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
    SplitAnswer,
    SplitProposal,
    Task,
    usdc,
)

__all__ = [
    "AcceptSplit",
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
    "SplitAnswer",
    "SplitProposal",
    "Task",
    "usdc",
]
