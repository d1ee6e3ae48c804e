"""What an operator has to look at, kept as rows until it is over."""
