"""The local stack behind `aicp up|down|status`: services in order, restarts, and nothing left behind.

Start with `supervisor` (processes), `stack` (what is started and in which order), `session` (the same for tests).
"""
