"""RPC kernel: typed JSON-RPC over HTTP, several providers, checked logs. Knows no database."""
