"""The `aicp` command. Subcommands come from the entry-point group `aicp.commands`."""
