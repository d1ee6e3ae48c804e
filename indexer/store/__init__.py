"""Postgres side of the mirror: rows, raw logs, undo journal and cursor in one transaction."""
