"""An agent that takes what the scheduler offers and works until it is told to finish, by a file on its desk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aicp.agent import Agent, Job, Offer, Result, Task

CAPABILITY = "engraving"
FINISH = "finish"
"""The name of the file."""

agent = Agent(os.environ.get("ENGRAVER", "Engraver"), [CAPABILITY], description="Engraves plates, slowly.")


@agent.on("quote")
def quote(task: Task) -> Offer:
    return Offer(price_units=task.budget_units, eta_seconds=10)


@agent.on("work")
def work(job: Job) -> Result:
    desk = Path(os.environ["ENGRAVER_DESK"])
    while not (desk / FINISH).exists():
        time.sleep(0.1)
    return Result({"plate.txt": f"{job.title}, engraved by {agent.name}\n"})
