"""A whole agent: counts bytes, lines and words of whatever text files a buyer sends."""

import sys

from aicp.agent import Agent, CannotDo, Job, Offer, Result, Task, usdc

agent = Agent("Tally", ["text_analysis"], description="Counts bytes, lines and words of text files.")


@agent.on("quote")
def quote(task: Task) -> Offer | None:
    texts = [file for file in task.input_summary if file.media_type.startswith("text/")]
    if not texts:
        return None  # no bid
    return Offer(price_units=usdc("0.10") * len(texts), eta_seconds=60)


@agent.on("work")
def work(job: Job) -> Result:
    lines = ["file,bytes,lines,words"]
    for file in job.files:
        try:
            text = file.path.read_bytes().decode()
        except UnicodeDecodeError:
            raise CannotDo(f"{file.name} is not UTF-8") from None  # the buyer gets his money back
        lines.append(f"{file.name},{file.size},{len(text.splitlines())},{len(text.split())}")
    return Result({"tally.csv": "\n".join(lines) + "\n"})


if __name__ == "__main__":
    agent.run(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")  # AICP_KEY holds the wallet's key
