"""The client: reads of the service, the checked deployment, and what buyer and agent have in common."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

import httpx

from aicp.abi.typed_data import ReceiveWithAuthorization, TypedMessage, Withdrawal
from aicp.client import models
from aicp.client.chain import Chain, chain_of, chain_of_deployment, read_deployment
from aicp.client.errors import ClientError, Mismatch, NotEnough, ProblemError, Unreachable
from aicp.client.events import listen
from aicp.client.service import Network
from aicp.client.sessions import Sessions
from aicp.client.store import Store, default_path
from aicp.client.transport import Params, Transport
from aicp.client.verify import check_vouch
from aicp.client.wallet import Wallet
from aicp.client.wire import Model
from aicp.rules.deployment import Deployment
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import checksum, format_usdc, hex0x

if TYPE_CHECKING:
    from aicp.client.direct import DirectChain

PAGE: Final = 100
_POLL_SECONDS: Final = 0.5
_CHAIN_SECONDS: Final = 60.0

M = TypeVar("M", bound=Model)


class Market:
    """A marketplace service as one wallet sees it. Without a wallet only public reads work.

    Use as `async with Market(url, wallet) as market:`. `deployment` is the published `deployments/<chainId>.json`;
    with it neither the service's contract addresses nor its operator keys are taken on trust. It is read again now and
    then, so whoever runs for months only replaces it. `store` is where receipts, orders and session keys are kept, by
    default a file of the wallet under `~/.aicp`. `rpc_url` is an RPC of the caller's own: where money hangs on what the
    chain says, it is asked instead of the service. `sessions` keeps the session for the next process.
    """

    def __init__(
        self,
        url: str,
        wallet: Wallet | None = None,
        *,
        deployment: Path | None = None,
        store: Path | None = None,
        rpc_url: str | None = None,
        http: httpx.AsyncClient | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self.transport = Transport(url, wallet, http=http, sessions=sessions)
        self._deployment = deployment
        self._published = read_deployment(deployment) if deployment else None
        self._store_path = store
        self._store: Store | None = None
        self._chain: Chain | None = None
        self._chain_read_at = 0.0
        self._rpc_url = rpc_url
        self._own_chain: DirectChain | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.transport.aclose()

    @property
    def wallet(self) -> Wallet:
        """The wallet. Raises ClientError when there is none."""
        if self.transport.wallet is None:
            raise ClientError("This needs a wallet, to sign.")
        return self.transport.wallet

    @property
    def address(self) -> bytes:
        """The wallet's address."""
        return self.wallet.address

    @property
    def published(self) -> Deployment | None:
        """The published deployment that was insisted on, if any."""
        return self._published

    async def chain(self) -> Chain:
        """Return the deployment, read and checked; with a deployment file also when the service is gone.

        It is read again now and then: operator keys follow each other.
        """
        if self._chain is None or time.monotonic() - self._chain_read_at > _CHAIN_SECONDS:
            if self._deployment is not None and self._chain is not None:
                with suppress(ClientError):  # half of a file that is being replaced: the one before is still good
                    self._published = await asyncio.to_thread(read_deployment, self._deployment)
            try:
                network = Network.read(await self.transport.public("/network"))
                self._chain = chain_of(network, self._published)
            except Unreachable:
                if self._published is None and self._chain is None:
                    raise
                if self._chain is None and self._published is not None:
                    self._chain = chain_of_deployment(self._published)
            self._chain_read_at = time.monotonic()
        assert self._chain is not None
        return self._chain

    async def store(self) -> Store:
        """Return the wallet's store, opened on first use."""
        if self._store is None:
            path = self._store_path or default_path(self.address, (await self.chain()).chain_id)
            self._store = await asyncio.to_thread(Store, path)
        return self._store

    async def own_chain(self) -> DirectChain | None:
        """Return the chain as our own RPC shows it, None without one."""
        if self._own_chain is None and self._rpc_url is not None:
            from aicp.client.direct import DirectChain  # web3 is slow to load

            self._own_chain = DirectChain(self._rpc_url, self.wallet, await self.chain())
        return self._own_chain

    # reads ------------------------------------------------------------------------------------------------------------

    async def _list(self, path: str, item: type[M], params: Params | None = None, *, auth: bool = False) -> list[M]:
        return [item.read(row) for row in await self.transport.get(path, params, auth=auth)]

    async def pages(
        self, path: str, item: type[M], params: Mapping[str, Any] | None = None, *, auth: bool = False
    ) -> AsyncIterator[M]:
        """Yield every item of a paged list, fetching pages as they are needed."""
        cursor: str | None = None
        while True:
            answer = await self.transport.get(path, {**(params or {}), "limit": PAGE, "cursor": cursor}, auth=auth)
            for row in answer["items"]:
                yield item.read(row)
            cursor = answer.get("next_cursor")
            if cursor is None:
                return

    def tasks(
        self,
        *,
        state: str | None = None,
        capability: str | None = None,
        specialty: str | None = None,
        least_units: int | None = None,
        most_units: int | None = None,
        words: str | None = None,
        mine: bool = False,
    ) -> AsyncIterator[models.Task]:
        """Yield tasks, newest first; a specialty looks like task_type:compute, the bounds are of the budget."""
        params = {
            "state": state,
            "capability": capability,
            "specialty": specialty,
            "least_units": None if least_units is None else str(least_units),
            "most_units": None if most_units is None else str(most_units),
            "q": words,
            "mine": mine or None,
        }
        return self.pages("/tasks", models.Task, params, auth=mine)

    async def task(self, task_id: uuid.UUID) -> models.Task:
        """Return one task."""
        return models.Task.read(await self.transport.get(f"/tasks/{task_id}"))

    async def bids(self, task_id: uuid.UUID) -> list[models.Bid]:
        """Return the bids of a task, best first. Check one with `aicp.client.verify.check_bid` before trusting it."""
        return await self._list(f"/tasks/{task_id}/bids", models.Bid)

    async def awarded(self, task_id: uuid.UUID) -> models.Award:
        """Return the last award of a task. Check it with `aicp.client.verify_award` before trusting it."""
        return models.Award.read(await self.transport.get(f"/tasks/{task_id}/award"))

    async def awards(self, task_id: uuid.UUID) -> list[models.Award]:
        """Return every award of a task, oldest first; all but the last ended unpaid."""
        return await self._list(f"/tasks/{task_id}/awards", models.Award)

    async def award_record(self, task_id: uuid.UUID) -> dict[str, Any]:
        """Return what the rule looked at for the last award, as signed. Check it with `verify_award.check_record`."""
        return dict(await self.transport.get(f"/tasks/{task_id}/award/record"))

    async def commits(self, task_id: uuid.UUID) -> list[models.Commit]:
        """Return the sealed bids of a task in the order of their receipts."""
        return await self._list(f"/tasks/{task_id}/commits", models.Commit)

    async def offers(self, task_id: uuid.UUID) -> list[models.TaskOffer]:
        """Return whom the scheduler has offered a task, oldest first."""
        return await self._list(f"/tasks/{task_id}/offers", models.TaskOffer)

    async def own_offers(self) -> list[models.TaskOffer]:
        """Return the offers of the scheduler that wait for our answer, the most urgent first."""
        return await self._list("/scheduler/offers", models.TaskOffer)

    async def task_order(self, task_id: uuid.UUID) -> models.TaskOrder:
        """Return the buyer's order over the buy-now price of a task."""
        return models.TaskOrder.read(await self.transport.get(f"/tasks/{task_id}/order"))

    async def epoch_file(self, epoch: int) -> models.EpochFile:
        """Return the published scores of an epoch."""
        return models.EpochFile.read(await self.transport.get(f"/reputation/epochs/{epoch}"))

    def deals(
        self, role: Literal["buyer", "agent", "verifier"] | None = None, *, live: bool | None = None
    ) -> AsyncIterator[models.DealSummary]:
        """Yield our deals in a role, or in all of them."""
        return self.pages("/deals", models.DealSummary, {"role": role, "live": live}, auth=True)

    async def deal(self, deal_id: uuid.UUID, *, session_key: bytes | None = None) -> models.Deal:
        """Return one deal of ours; its channel side is that of the session key's own pool, where one is named."""
        params = None if session_key is None else {"session_key": checksum(session_key)}
        return models.Deal.read(await self.transport.get(f"/deals/{deal_id}", params, auth=True))

    async def take_step(self, deal: models.Deal, step: str, body: Mapping[str, Any]) -> models.Deal:
        """Send what we have signed for a step of a deal of ours; return the deal as it stands then."""
        return models.Deal.read(await self.transport.post(f"/deals/{deal.id}/{step}", body))

    async def case(self, dispute_id: int) -> models.Case:
        """Return a dispute we are a party of or drawn into. Check it with `check_case` before judging by it."""
        return models.Case.read(await self.transport.get(f"/disputes/{dispute_id}", auth=True))

    async def pools(self) -> list[models.Pool]:
        """Return our pools."""
        return await self._list("/pools", models.Pool, auth=True)

    async def agents(self, capability: str | None = None) -> list[models.AgentProfile]:
        """Return the registered agents."""
        params = {"capability": capability}
        return [agent async for agent in self.pages("/agents", models.AgentProfile, params)]

    async def vouches(self, agent: bytes) -> list[models.SignedVouch]:
        """Return who vouches for an agent. Raises Mismatch for a vouch that its voucher has not signed."""
        chain = await self.chain()
        found = await self._list(f"/agents/{checksum(agent)}/vouches", models.SignedVouch)
        for one in found:
            check_vouch(one, agent, chain)
        return found

    async def estimate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a task would cost, as the service explains it. Check its quote with `verify_quote`."""
        answer: dict[str, Any] = await self.transport.ask("/pricing/estimate", body)
        return answer

    async def committed(self) -> models.Committed:
        """Return what our account has in pools and in open escrows."""
        path = f"/buyer/{checksum(self.address)}/dashboard"
        return models.Committed.read(await self.transport.get(path, auth=True))

    async def owed(self) -> models.Owed | None:
        """Return what our account has earned as an agent and nobody has claimed yet; None where it is no agent."""
        try:
            path = f"/agent/{checksum(self.address)}/dashboard"
            return models.Owed.read(await self.transport.get(path, auth=True))
        except ProblemError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return None

    async def balances(self, address: bytes | None = None) -> models.Balances:
        """Return what an address owns here, by default ours."""
        account = checksum(address or self.address)
        return models.Balances.read(await self.transport.get(f"/accounts/{account}/balances"))

    async def wait_balances(self, good: Callable[[models.Balances], bool], *, timeout: float = 60.0) -> None:  # noqa: ASYNC109
        """Wait until our balances satisfy a condition. Raises ClientError when it takes too long."""
        deadline = time.monotonic() + timeout
        while not good(await self.balances()):
            if time.monotonic() > deadline:
                raise ClientError(f"The balances have not changed after {timeout:.0f} s.")
            await asyncio.sleep(_POLL_SECONDS)

    async def route(self, price_units: int, *, escrow_only: bool, deliver_within_seconds: int) -> models.Route:
        """Return which way a price would be paid, as the service explains it."""
        body = {
            "price_units": str(price_units),
            "escrow_only": escrow_only,
            "deliver_within_seconds": deliver_within_seconds,
        }
        return models.Route.read(await self.transport.post("/tasks/route", body))

    def receipts(self, *, unacknowledged: bool = False) -> AsyncIterator[models.Receipt]:
        """Yield receipts the service holds for us."""
        return self.pages("/receipts", models.Receipt, {"unacknowledged": unacknowledged or None}, auth=True)

    def transactions(self) -> AsyncIterator[models.Intent]:
        """Yield the transactions the service relays for us, newest first."""
        return self.pages("/transactions", models.Intent, auth=True)

    async def intent(self, intent_id: uuid.UUID) -> models.Intent:
        """Return one relayed transaction."""
        return models.Intent.read(await self.transport.get(f"/transactions/{intent_id}", auth=True))

    async def wait_landed(self, intent_id: uuid.UUID, *, timeout: float = 120.0) -> models.Intent:  # noqa: ASYNC109
        """Wait until a relayed transaction is mined. Raises ClientError when it failed, expired or takes too long."""
        deadline = time.monotonic() + timeout
        while True:
            intent = await self.intent(intent_id)
            if intent.landed:
                return intent
            if intent.dead:
                reason = intent.error_detail or intent.error_code or "no reason given"
                raise ClientError(f"The relayed {intent.kind} {intent.state}: {reason}.")
            if time.monotonic() > deadline:
                raise ClientError(f"The relayed {intent.kind} is still {intent.state} after {timeout:.0f} s.")
            await asyncio.sleep(_POLL_SECONDS)

    def events(self, since: int | None = None) -> AsyncIterator[models.Event]:
        """Yield the service's events for ever, across reconnects; `hello` with a gap asks to catch up over REST."""
        return listen(self.transport, since)

    # files ------------------------------------------------------------------------------------------------------------

    async def upload(self, file: Path, media_type: str, *, name: str | None = None) -> models.StoredFile:
        """Store a file. Raises Mismatch when the service hashed other bytes than ours."""
        answer = await self.transport.upload("/files", file, name or file.name, media_type)
        stored = models.StoredFile.read(answer)
        ours = await asyncio.to_thread(lambda: hashlib.sha256(file.read_bytes()).digest())
        if stored.sha256 != ours:
            raise Mismatch(f"The service stored other bytes than those of {file.name}.")
        return stored

    async def download(self, file: models.StoredFile, target: Path) -> None:
        """Fetch a file to disk, hashing on the way. Raises Mismatch, leaving nothing, when the bytes are not the named.

        The bytes go to a neighbour first, so that `target` is whole or absent.
        """
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("xb") as out:
                async with self.transport.stream(f"/files/{hex0x(file.sha256)}") as chunks:
                    async for chunk in chunks:
                        digest.update(chunk)
                        size += len(chunk)
                        if size > file.size:
                            break
                        out.write(chunk)
            if size != file.size or digest.digest() != file.sha256:
                raise Mismatch(f"The bytes of {file.name} are not those its hash names.")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    # shared money moves -----------------------------------------------------------------------------------------------

    def sign(self, message: TypedMessage, domain: Any) -> str:
        """Return our signature of a message as hex."""
        return hex0x(self.wallet.sign_digest(message.digest(domain)))

    async def authorize(self, to: bytes, units: int, nonce: bytes, valid_before: int) -> str:
        """Return our ERC-3009 `ReceiveWithAuthorization` of `units` to one of the deployment's contracts."""
        chain = await self.chain()
        ours = chain.contracts
        if to not in {ours.escrow, ours.payment_channel, ours.reputation} | chain.arbiters:
            raise Mismatch("Payments are only authorised to the deployment's contracts. Nothing was signed.")
        message = ReceiveWithAuthorization(
            from_=self.address, to=to, value=units, valid_after=0, valid_before=valid_before, nonce=nonce
        )
        return self.sign(message, chain.token)

    async def require_usdc(self, units: int) -> None:
        """Raise NotEnough unless the wallet holds the amount."""
        held = (await self.balances()).usdc_units
        if held < units:
            raise NotEnough(f"The wallet holds {format_usdc(held)} USDC; {format_usdc(units)} are needed.")

    async def collect(self, least_units: int = 1) -> AsyncIterator[models.Intent]:
        """Pay out, without gas, every ledger that holds at least so much of ours; each withdrawal as it is asked.

        A refusal keeps none of the other ledgers waiting: the first one is raised once all are asked.
        """
        refusals = []
        for found in (await self.balances()).ledgers:
            if found.units < least_units:
                continue
            try:
                intent = await self.withdraw(ledger=found.ledger)
            except ProblemError as error:
                refusals.append(error)
                continue
            if intent is not None:
                yield intent
        if refusals:
            raise refusals[0]

    async def withdraw(
        self, units: int | None = None, to: bytes | None = None, *, ledger: LedgerName = LedgerName.ESCROW
    ) -> models.Intent | None:
        """Pay our balance in a ledger out, without gas: all of it, or `units`. Returns None when there is nothing.

        Raises NotEnough, and Mismatch where the service knows no such ledger.
        """
        chain, held = await self.chain(), (await self.balances()).ledger(ledger)
        amount = held.units if units is None else units
        if amount > held.units:
            raise NotEnough(f"Only {format_usdc(held.units)} USDC can be collected.")
        if amount == 0:
            return None
        message = Withdrawal(
            account=self.address,
            to=to or self.address,
            amount=amount,
            nonce=held.withdrawal_nonce,
            valid_until=chain.now() + chain.constants.authorization_lifetime_seconds,
        )
        body = {
            "ledger": ledger,
            "to": checksum(message.to),
            "amount_units": str(amount),
            "nonce": message.nonce,
            "valid_until": message.valid_until,
            "signature": self.sign(message, chain.ledger(ledger).domain),
        }
        return models.Intent.read(await self.transport.post("/withdrawals", body))

    async def faucet(self, units: int) -> models.Intent:
        """Ask the local chain's token for test USDC, without gas. Raises ProblemError where there is no faucet."""
        return models.Intent.read(await self.transport.post("/wallet/faucet", {"amount_units": str(units)}))


def new_salt() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(32)
