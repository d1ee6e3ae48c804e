"""Builds `sdk/aicp/abi/` and the front end's ABI from the contracts; run by `scripts/gen_abi.py`."""
