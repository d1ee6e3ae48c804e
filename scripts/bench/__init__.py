"""What the system does in a second, measured beside others on the same machine in the same run."""
