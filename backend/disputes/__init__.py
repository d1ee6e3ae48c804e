"""Disputes as whoever judges them reads them."""
