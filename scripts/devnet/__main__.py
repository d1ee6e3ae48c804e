"""`python -m scripts.devnet up|down|status`: the same commands without the installed `aicp`."""

from __future__ import annotations

import click

from scripts.devnet.commands import down, status, up

main = click.Group("devnet", commands=[up, down, status])

if __name__ == "__main__":
    main()
