"""One module a contract: the tables its events fill."""
