"""The deterministic deployment proxy: the same code at the same address on every chain.

It has no owner. Its own deployment is one transaction signed once for all chains (no chain id, gas price 100 gwei), so
on a chain without it anyone can put it in place by paying its sender 0.01 native coins first.
"""

from __future__ import annotations

FACTORY = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
SENDER = bytes.fromhex("3fab184622dc19b6109349b94811493bf2a45362")
COST_WEI = 10**16
SIGNED_TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222"
    "222222222222222222222222222222222222222222222222a0222222222222222222222222222222222222222222222222222222222222"
    "2222"
)
RUNTIME = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f580151560395781"
    "82fd5b8082525050506014600cf3"
)
