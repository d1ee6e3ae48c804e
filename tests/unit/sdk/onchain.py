"""What an RPC of one's own answers, below the encoders: calldata in, words out, chosen by a test."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.enums import Status
from aicp.abi.escrow import EscrowState
from aicp.client import Unreachable
from aicp.client.direct import DirectChain
from tests.unit.sdk.builders import NOW, address

ARBITER = address("arbiter")


def _word(value: int) -> bytes:
    return value.to_bytes(32)


@dataclass
class OnChain:
    """The chain as a test wants it; amounts in base units."""

    status: Status = Status.CHALLENGED
    clock: int = NOW + 600
    released: int = 0
    refunded: int = 0
    fee: int | None = 3_000_000
    wallet: int = 30_000_000
    ledger: int = 0
    staked: int = 0
    final_time: int = NOW
    used: set[bytes] = field(default_factory=set)
    sent: list[tuple[bytes, bytes]] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    """The escrows whose state was asked for."""
    down: bool = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> OnChain:
        """Answer every RPC from here on."""

        async def call(_: DirectChain, to: bytes, data: bytes, block: str = "latest") -> bytes:
            return self._answer(to, data, block)

        async def send(_: DirectChain, to: bytes, data: bytes) -> bytes:
            self.sent.append((to, data))
            return bytes(32)

        async def block_time(_: DirectChain, block: str = "latest") -> int:
            return self.final_time

        monkeypatch.setattr(DirectChain, "call", call)
        monkeypatch.setattr(DirectChain, "send", send)
        monkeypatch.setattr(DirectChain, "block_time", block_time, raising=False)
        return self

    def _answer(self, to: bytes, data: bytes, _block: str) -> bytes:
        selector = data[:4]
        if self.down:
            raise Unreachable("The RPC did not answer.")
        if selector == escrow_abi.encode_state_of(bytes(32))[:4]:
            self.asked.append(data[4:])
            state = EscrowState(
                released=self.released, refunded=self.refunded, clock=self.clock, status=self.status, ruling=0, flags=0,
                word=bytes(32),
            )  # fmt: skip
            return state.encode()
        if selector == arbiter_abi.encode_arbitration_cost_fee_token(b"", bytes(20))[:4]:
            assert to == ARBITER
            if self.fee is None:
                raise Unreachable("The arbiter reverts.")
            return _word(self.fee)
        if selector == reputation_abi.encode_stake_of(bytes(20))[:4] and to == address("reputation"):
            return reputation_abi.Stake(staked=self.staked, locked=0, unbond_at=0, flags=0).encode()
        if selector == usdc_abi.encode_authorization_state(bytes(20), bytes(32))[:4]:
            return _word(int(data[-32:] in self.used))
        if to == address("usdc"):
            return _word(self.wallet)
        return _word(self.ledger)
