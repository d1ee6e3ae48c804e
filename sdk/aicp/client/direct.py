"""The same steps sent to the chain by ourselves, for our own gas: nobody is needed to be paid.

Every call is simulated first; a revert is reported by the contract's own error. web3 is imported here only, so
whoever needs this module imports it when it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractCustomError, ContractLogicError
from web3.types import BlockData

from aicp.abi import arbiter as arbiter_abi
from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.escrow import EscrowState
from aicp.abi.runtime import AbiError, ContractError
from aicp.abi.typed_data import ChannelConfig, EscrowTerms, ReceiveWithAuthorization
from aicp.client.chain import Chain
from aicp.client.errors import BondAboveLimit, ClientError, NotEnough, Unreachable
from aicp.client.models import Receipt
from aicp.client.refusals import words_of
from aicp.client.transactions import RPC_ERRORS, Transactions
from aicp.client.wallet import Wallet
from aicp.rules.ids import bond_nonce, dispute_extra
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import checksum, format_usdc, hex0x


def _decode(error: ContractLogicError) -> str:
    data = error.data if isinstance(error.data, str) else ""
    try:
        raw = bytes.fromhex(data.removeprefix("0x"))
        found: ContractError | None = (
            escrow_abi.decode_error(raw) or channel_abi.decode_error(raw) or arbiter_abi.decode_error(raw)
        )
    except (ValueError, AbiError):
        found = None
    return words_of(found) if found is not None else (error.message or "no reason given")


@dataclass(frozen=True, slots=True)
class Log:
    """A log as the decoders of `aicp.abi` take it."""

    topics: tuple[bytes, ...]
    data: bytes


class DirectChain:
    """One wallet on one RPC."""

    def __init__(self, rpc_url: str, wallet: Wallet, chain: Chain) -> None:
        self._web3 = AsyncWeb3(AsyncHTTPProvider(rpc_url))
        self._wallet = wallet
        self._chain = chain
        self._transactions = Transactions(self._web3, wallet, chain)
        self._checked = False

    async def submit(self, terms: EscrowTerms, deliverable_hash: bytes) -> bytes:
        """Submit work. Returns the transaction hash once it is mined."""
        return await self.send(self._chain.contracts.escrow, escrow_abi.encode_submit(terms, deliverable_hash))

    async def accept(self, terms: EscrowTerms) -> bytes:
        """Accept a funded escrow."""
        return await self.send(self._chain.contracts.escrow, escrow_abi.encode_accept(terms))

    async def approve(self, units: int) -> bytes:
        """Allow the escrow contract to take `units` of our USDC, no more and no less."""
        data = usdc_abi.encode_approve(self._chain.contracts.escrow, units)
        return await self.send(self._chain.contracts.usdc, data)

    async def fund(self, terms: EscrowTerms) -> bytes:
        """Fund an escrow from the wallet, which needs an allowance of the amount first (see `approve`)."""
        return await self.send(self._chain.contracts.escrow, escrow_abi.encode_fund(terms))

    async def release(self, terms: EscrowTerms, cumulative_units: int) -> bytes:
        """Release an escrow as its buyer."""
        return await self.send(self._chain.contracts.escrow, escrow_abi.encode_release(terms, cumulative_units))

    async def dispute(self, terms: EscrowTerms, evidence_hash: bytes, *, bond_limit_units: int) -> bytes:
        """Dispute a submitted result as its buyer, with a bond of exactly the arbiter's fee.

        Paid from the wallet, or from our escrow ledger where the wallet is short. Raises BondAboveLimit, NotEnough, or
        ClientError where the contract refuses.
        """
        bond = await self._bond(terms, bond_limit_units)
        if bond is None:
            data = escrow_abi.encode_dispute(terms, evidence_hash)
        else:
            data = escrow_abi.encode_dispute_with_signature(terms, evidence_hash, bond.valid_before, b"", bond)
        return await self.send(self._chain.contracts.escrow, data)

    async def respond(self, terms: EscrowTerms, *, bond_limit_units: int) -> bytes:
        """Answer a dispute as its agent and pay the arbiter. Paid and refused as `dispute`."""
        bond = await self._bond(terms, bond_limit_units)
        if bond is None:
            data = escrow_abi.encode_respond(terms)
        else:
            data = escrow_abi.encode_respond_with_signature(terms, bond.valid_before, b"", bond)
        return await self.send(self._chain.contracts.escrow, data)

    async def _bond(self, terms: EscrowTerms, limit_units: int) -> escrow_abi.BondAuthorization | None:
        """Return our signed bond, None where our ledger pays. The caller of the contract signs nothing else."""
        escrow_id = terms.digest(self._chain.escrow)
        fee = await self.arbitration_cost(escrow_id, terms)
        if fee > limit_units:
            raise BondAboveLimit(
                f"The arbiter asks for {format_usdc(fee)} USDC, and at most {format_usdc(limit_units)} are allowed. "
                "Nothing was signed."
            )
        us = self._wallet.address
        if await self.usdc_units(us) < fee:
            if await self.ledger_units(us) < fee:
                raise NotEnough(f"The arbiter asks for {format_usdc(fee)} USDC; neither wallet nor ledger holds them.")
            return None
        valid_before = self._chain.now() + self._chain.constants.authorization_lifetime_seconds
        message = ReceiveWithAuthorization(
            from_=us,
            to=self._chain.contracts.escrow,
            value=fee,
            valid_after=0,
            valid_before=valid_before,
            nonce=bond_nonce(escrow_id, us),
        )
        signature = self._wallet.sign_digest(message.digest(self._chain.token))
        return escrow_abi.BondAuthorization(valid_before=valid_before, signature=signature)

    async def withdraw(self, ledger: LedgerName = LedgerName.ESCROW) -> int:
        """Pay our whole balance in a ledger out. Returns the base units, 0 when there was nothing."""
        held = await self.ledger_units(self._wallet.address, ledger)
        if held:
            await self.send(self._chain.ledger(ledger).address, escrow_abi.encode_withdraw(held))
        return held

    async def claim(self, receipt: Receipt) -> bytes:
        """Claim a receipt by itself and have everything claimed paid out to us, in one transaction if it is all."""
        config = receipt.config
        claim = channel_abi.VoucherClaim(
            voucher=channel_abi.Voucher(
                channel=ChannelConfig(
                    payer=config.payer,
                    payer_authorizer=config.payer_authorizer,
                    receiver=config.receiver,
                    receiver_authorizer=config.receiver_authorizer,
                    token=config.token,
                    withdraw_delay=config.withdraw_delay,
                    salt=config.salt,
                ),
                max_claimable_amount=receipt.max_claimable_units,
            ),
            signature=receipt.voucher_signature,
            total_claimed=receipt.total_claimed_units,
        )
        contract = self._chain.contracts.payment_channel
        sent = await self.send(contract, channel_abi.encode_claim_and_pay(claim, receipt.operator_signature))
        data = await self.call(contract, channel_abi.encode_receivers(config.receiver, config.token))
        totals = channel_abi.decode_receivers_result(data)
        if totals.total_claimed == totals.total_settled:
            return sent
        return await self.send(contract, channel_abi.encode_settle(config.receiver, config.token))

    async def state_of(self, escrow_id: bytes, block: Literal["latest", "finalized"] = "latest") -> EscrowState:
        """Return an escrow as the contract has it; its status is NONE where it was never funded."""
        data = await self.call(self._chain.contracts.escrow, escrow_abi.encode_state_of(escrow_id), block)
        return escrow_abi.decode_state_of_result(data)

    async def arbitration_cost(self, escrow_id: bytes, terms: EscrowTerms) -> int:
        """Return what the arbiter of the terms asks, in base units. Raises Unreachable where it says nothing."""
        question = arbiter_abi.encode_arbitration_cost_fee_token(
            dispute_extra(escrow_id, terms), self._chain.contracts.usdc
        )
        return arbiter_abi.decode_arbitration_cost_fee_token_result(await self.call(terms.arbiter, question))

    async def staked_units(self, account: bytes) -> int:
        """Return what an account has staked, locked or not."""
        data = await self.call(self._chain.contracts.reputation, reputation_abi.encode_stake_of(account))
        return reputation_abi.decode_stake_of_result(data).staked

    async def authorization_used(self, account: bytes, nonce: bytes) -> bool:
        """Return whether the token has taken an account's authorization of this nonce, or its cancellation."""
        data = await self.call(self._chain.contracts.usdc, usdc_abi.encode_authorization_state(account, nonce))
        return usdc_abi.decode_authorization_state_result(data)

    async def usdc_units(self, account: bytes) -> int:
        """Return what an account holds in its wallet."""
        data = await self.call(self._chain.contracts.usdc, usdc_abi.encode_balance_of(account))
        return usdc_abi.decode_balance_of_result(data)

    async def ledger_units(self, account: bytes, ledger: LedgerName = LedgerName.ESCROW) -> int:
        """Return what an account can withdraw from a ledger."""
        data = await self.call(self._chain.ledger(ledger).address, escrow_abi.encode_balance_of(account))
        return escrow_abi.decode_balance_of_result(data)

    async def claimed_units(self, channel_id: bytes) -> int:
        """Return the total claimed on a channel."""
        data = await self.call(self._chain.contracts.payment_channel, channel_abi.encode_channels(channel_id))
        return channel_abi.decode_channels_result(data).total_claimed

    async def call(self, to: bytes, data: bytes, block: Literal["latest", "finalized"] = "latest") -> bytes:
        """Return what a view answers. Raises Unreachable, also where it reverts."""
        await self._check_chain()
        try:
            return bytes(await self._web3.eth.call({"to": checksum(to), "data": hex0x(data)}, block))  # type: ignore[typeddict-item]
        except RPC_ERRORS as error:
            raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error

    async def logs(self, contract: bytes, topics: list[bytes | None], first: int, last: int) -> list[Log]:
        """Return the logs of a contract in a range of blocks. Raises Unreachable."""
        await self._check_chain()
        wanted: Any = {
            "address": checksum(contract),
            "topics": [None if topic is None else hex0x(topic) for topic in topics],
            "fromBlock": first,
            "toBlock": last,
        }
        try:
            found = await self._web3.eth.get_logs(wanted)
        except RPC_ERRORS as error:
            raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error
        return [Log(tuple(bytes(topic) for topic in one["topics"]), bytes(one["data"])) for one in found]

    async def block_number(self, block: Literal["latest", "finalized"] = "latest") -> int:
        """Return the number of the newest, or newest final, block. Raises Unreachable."""
        return int((await self._block(block))["number"])

    async def block_time(self, block: Literal["latest", "finalized"] = "latest") -> int:
        """Return the unix seconds of the newest, or newest final, block. Raises Unreachable."""
        return int((await self._block(block))["timestamp"])

    async def _block(self, block: Literal["latest", "finalized"]) -> BlockData:
        await self._check_chain()
        try:
            return await self._web3.eth.get_block(block)
        except RPC_ERRORS as error:
            raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error

    async def _check_chain(self) -> None:
        if self._checked:
            return
        try:
            found = await self._web3.eth.chain_id
        except RPC_ERRORS as error:
            raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error
        if found != self._chain.chain_id:
            raise ClientError(f"The RPC serves chain {found}, not {self._chain.chain_id}.")
        self._checked = True

    async def send(self, to: bytes, data: bytes) -> bytes:
        """Send a call and return its hash once it is mined.

        Raises ClientError where the contract refuses, NotEnough where the wallet cannot pay for the gas, Unreachable
        where it is not known to be mined.
        """
        await self._check_chain()
        try:
            return await self._transactions.send(to, data)
        except (ContractCustomError, ContractLogicError) as error:
            raise ClientError(f"The contract refuses: {_decode(error)}.") from error
        except RPC_ERRORS as error:
            raise Unreachable(f"The transaction could not be sent: {error}.") from error
