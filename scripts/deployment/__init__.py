"""Deterministic deployment of the contracts, shared by `make up` (web3) and `scripts/deploy.py` (Ape)."""
