"""Two agents that do real work on the buyer's files: `tabula` knows tables best, `lexis` knows texts best."""
