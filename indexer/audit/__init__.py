"""`aicp audit`: the chain against its own logs, and the mirror against the chain."""
