"""PaymentChannel: leaving a pool by signature, and the operator's consent to an earlier end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.refusals import CONSENTING, REVERTING, refusal
from tests.contracts.signatures import compact, forged, malformed
from tests.contracts.world import FOREVER, USDC, World, digest_of, nonce_of

DAY, RELEASE_DELAY = 86400, 900
INITIATE, CANCEL, RELEASE = (
    "initiatePoolWithdrawWithSignature",
    "cancelPoolWithdrawWithSignature",
    "releasePoolWithSignature",
)
SIGNERS = {INITIATE: "client", CANCEL: "client", RELEASE: "operator"}
every_road = pytest.mark.parametrize("road", SIGNERS)


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of the client's and what its present is signed for."""

    world: World
    key: tuple[Any, Any, Any]
    id: bytes
    nonce: int

    def state(self) -> tuple[int, ...]:
        """Balance, amount asked for, end of the wait, nonce."""
        return tuple(self.world.channel.pools(self.id))

    def message(self, road: str, until: int = FOREVER, nonce: int | None = None, amount: int = USDC) -> dict[str, Any]:
        """What is to be signed."""
        wish = {INITIATE: {"amount": amount, "cancel": False}, CANCEL: {"amount": 0, "cancel": True}}.get(road, {})
        return {"poolId": self.id, **wish, "nonce": self.nonce if nonce is None else nonce, "validUntil": until}

    def sign(self, road: str, **changes: Any) -> bytes:
        """By who must."""
        name = "PoolRelease" if road == RELEASE else "PoolWithdraw"
        signer = getattr(self.world, SIGNERS[road])
        return self.world.sign_channel(signer, name, **self.message(road, **changes))

    def call(self, road: str, signature: bytes, **changes: Any) -> tuple[Any, ...]:
        """Arguments of the function."""
        amount = (changes.get("amount", USDC),) if road == INITIATE else ()
        nonce, until = changes.get("nonce", self.nonce), changes.get("until", FOREVER)
        return (*self.key, *amount, nonce, until, signature)

    def send(self, road: str, signature: bytes) -> Any:
        """By a relayer."""
        return getattr(self.world.channel, road)(*self.call(road, signature), sender=self.world.stranger)

    def ask(self, road: str, signature: bytes, *, at: int | None = None, code: Any = None, **changes: Any) -> str:
        """What a relayer meets."""
        call = self.call(road, signature, **changes)
        function = getattr(self.world.channel, road)
        return refusal(self.world, function, *call, sender=self.world.stranger, at=at, code=code)


@pytest.fixture(scope="module")
def pools(world) -> tuple[Pool, Pool]:
    """One with nothing pending, and one with a withdrawal pending."""
    world.open_pool()
    world.channel.depositPool(world.verifier, world.operator, 5 * USDC, sender=world.client)
    world.channel.initiatePoolWithdraw(world.verifier, world.operator, 2 * USDC, sender=world.client)
    keys = [(world.client, authorizer, world.operator) for authorizer in (world.session, world.verifier)]
    one, two = (Pool(world, key, bytes(world.channel.getPoolId(*key)), nonce) for nonce, key in enumerate(keys))
    return one, two


@pytest.fixture
def idle(pools) -> Pool:
    return pools[0]


@pytest.fixture
def leaving(pools) -> Pool:
    return pools[1]


@pytest.fixture
def ready(pools, road) -> Pool:
    """The pool the function is good for."""
    return pools[road != INITIATE]


@every_road
def test_pool_signature__counts_to_its_last_second(ready, road):
    until = ready.world.now() + 60
    signature = ready.sign(road, until=until)
    assert ready.ask(road, signature, until=until, at=until) == ""
    assert ready.ask(road, signature, until=until, at=until + 1) == "AuthorizationExpired"
    assert ready.ask(road, compact(signature), until=until) == ""


def test_pool_digests__are_what_is_signed(idle):
    world, until = idle.world, FOREVER - 1
    domain = world.domain("x402 Batch Settlement", "1", world.channel)
    for road, digest in (
        (INITIATE, world.channel.getPoolWithdrawDigest(idle.id, USDC, False, idle.nonce, until)),
        (CANCEL, world.channel.getPoolWithdrawDigest(idle.id, 0, True, idle.nonce, until)),
        (RELEASE, world.channel.getPoolReleaseDigest(idle.id, idle.nonce, until)),
    ):
        name = "PoolRelease" if road == RELEASE else "PoolWithdraw"
        assert bytes(digest) == digest_of(domain, name, idle.message(road, until=until)), road


@every_road
def test_pool_signature__of_another_key_place_or_message_is_refused(ready, road):
    world = ready.world
    signer = getattr(world, SIGNERS[road])
    others = [other for other in (world.client, world.verifier, world.operator, world.stranger) if other != signer]
    domain = world.domain("x402 Batch Settlement", "1", world.channel)
    name = "PoolRelease" if road == RELEASE else "PoolWithdraw"
    wrong = forged(signer, others, domain, name, ready.message(road))
    refused = {what: ready.ask(road, signature) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "InvalidSignature")


@every_road
def test_pool_signature__is_for_the_nonce_of_the_present(ready, road):
    nonce = ready.nonce + 1
    assert ready.ask(road, ready.sign(road, nonce=nonce), nonce=nonce) == "PoolNonceMismatch"


@every_road
def test_pool_signature__of_an_account_with_code(ready, road):
    address = getattr(ready.world, SIGNERS[road]).address
    own = ready.sign(road)
    assert ready.ask(road, b"whatever it likes", code={address: CONSENTING}) == ""
    assert ready.ask(road, own, code={address: REVERTING}) == ""
    refused = {ready.ask(road, spoilt, code={address: REVERTING}) for spoilt in malformed(own).values()}
    assert refused == {"InvalidSignature"}


def test_pool_signature__counts_while_new_money_is_refused(pools):
    pools[0].world.channel.pauseInflows(sender=pools[0].world.guardian)
    for road in SIGNERS:
        pool = pools[road != INITIATE]
        assert pool.ask(road, pool.sign(road)) == ""


def test_pool_initiate__starts_a_day_and_tells_once(idle):
    signature = idle.sign(INITIATE)
    receipt = idle.send(INITIATE, signature)
    (log,) = idle.world.channel.PoolWithdrawInitiated.from_receipt(receipt)
    end = idle.world.chain.blocks.head.timestamp + DAY
    assert (bytes(log.poolId), log.amount, log.finalizeAt, log.nonce) == (idle.id, USDC, end, 1)
    assert idle.state() == (5 * USDC, USDC, end, 1)
    assert idle.ask(INITIATE, signature) == "PoolNonceMismatch"
    assert idle.ask(INITIATE, idle.sign(INITIATE, nonce=1), nonce=1) == "PoolWithdrawalAlreadyPending"


def test_pool_initiate__asks_for_something(idle):
    assert idle.ask(INITIATE, idle.sign(INITIATE, amount=0), amount=0) == "PoolAmountZero"


def test_pool_initiate__signature_is_no_cancellation_and_the_other_way_round(leaving):
    for amount in (0, USDC):
        assert leaving.ask(CANCEL, leaving.sign(INITIATE, amount=amount)) == "InvalidSignature"
    assert leaving.ask(INITIATE, leaving.sign(CANCEL), amount=0) == "InvalidSignature"


def test_pool_cancel__ends_the_withdrawal_and_tells_once(leaving):
    signature = leaving.sign(CANCEL)
    receipt = leaving.send(CANCEL, signature)
    (log,) = leaving.world.channel.PoolWithdrawCancelled.from_receipt(receipt)
    assert (bytes(log.poolId), log.amount, log.nonce) == (leaving.id, 2 * USDC, 2)
    assert leaving.state() == (5 * USDC, 0, 0, 2)
    assert leaving.ask(CANCEL, signature) == "PoolNonceMismatch"
    assert leaving.ask(CANCEL, leaving.sign(CANCEL, nonce=2), nonce=2) == "PoolWithdrawalNotPending"


def test_pool_release__shortens_to_a_quarter_of_an_hour_and_tells(leaving):
    world, signature = leaving.world, leaving.sign(RELEASE)
    receipt = leaving.send(RELEASE, signature)
    earliest = world.chain.blocks.head.timestamp + RELEASE_DELAY
    (log,) = world.channel.PoolReleased.from_receipt(receipt)
    assert (bytes(log.poolId), log.finalizeAt, log.nonce) == (leaving.id, earliest, 1)
    finalize = (world.channel.finalizePoolWithdraw, *leaving.key)
    assert refusal(world, *finalize, sender=world.stranger, at=earliest - 1) == "PoolWithdrawDelayNotElapsed"
    assert refusal(world, *finalize, sender=world.stranger, at=earliest) == ""
    leaving.send(RELEASE, signature)  # once more: it never lengthens the wait
    assert leaving.state() == (5 * USDC, 2 * USDC, earliest, 1)


def test_pool_release__needs_a_pending_withdrawal_of_this_nonce(idle, leaving):
    assert idle.ask(RELEASE, idle.sign(RELEASE)) == "PoolWithdrawalNotPending"
    early = leaving.sign(RELEASE)
    leaving.send(CANCEL, leaving.sign(CANCEL))
    assert leaving.ask(RELEASE, early) == "PoolNonceMismatch"


def test_pool_release__by_the_operator_himself(idle, leaving):
    world = idle.world
    release = world.channel.releasePool
    for other in (world.client, world.verifier, world.stranger):
        assert refusal(world, release, *leaving.key, leaving.nonce, sender=other) == "NotPoolOperator"
    assert refusal(world, release, *leaving.key, leaving.nonce + 1, sender=world.operator) == "PoolNonceMismatch"
    assert refusal(world, release, *idle.key, idle.nonce, sender=world.operator) == "PoolWithdrawalNotPending"
    release(*leaving.key, leaving.nonce, sender=world.operator)
    assert leaving.state()[2] == world.chain.blocks.head.timestamp + RELEASE_DELAY


def test_pool_cancel__by_the_payer_himself(leaving):
    world = leaving.world
    cancel = (world.channel.cancelPoolWithdraw, *leaving.key[1:])
    for other in (world.session, world.operator, world.stranger):  # the same words name a pool of his own
        assert refusal(world, *cancel, sender=other) == "PoolWithdrawalNotPending"
    world.channel.cancelPoolWithdraw(*leaving.key[1:], sender=world.client)
    assert leaving.state() == (5 * USDC, 0, 0, 2)


def test_pool_finalize__from_its_very_second_if_pending(idle, leaving):
    world = idle.world
    finalize, end = world.channel.finalizePoolWithdraw, leaving.state()[2]
    assert refusal(world, finalize, *idle.key, sender=world.client) == "PoolWithdrawalNotPending"
    assert refusal(world, finalize, *leaving.key, sender=world.client, at=end - 1) == "PoolWithdrawDelayNotElapsed"
    assert refusal(world, finalize, *leaving.key, sender=world.stranger, at=end) == ""
    world.usdc.blacklist(world.client, sender=world.owner)
    assert refusal(world, finalize, *leaving.key, sender=world.client, at=end) == "TransferFailed"


def test_pool_authorization__is_for_one_deposit_into_one_pool(idle):
    world, salt = idle.world, 7
    nonce = nonce_of(("bytes32", idle.id), ("uint256", salt))
    message = {
        "from": world.client.address,
        "to": world.channel.address,
        "value": USDC,
        "validAfter": 0,
        "validBefore": FOREVER,
        "nonce": nonce,
    }
    domain = world.domain("USD Coin", "2", world.usdc)
    wrong = forged(world.client, (world.session, world.operator), domain, "ReceiveWithAuthorization", message)
    deposit = (world.channel.depositPoolWithAuthorization, *idle.key, USDC, 0, FOREVER, salt)
    refused = {what: refusal(world, *deposit, signature, sender=world.stranger) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "InvalidSignature")
    good = world.authorization(world.client, world.channel, USDC, nonce)
    deposit[0](*deposit[1:], good, sender=world.stranger)
    assert idle.state() == (6 * USDC, 0, 0, 0)
    assert refusal(world, *deposit, good, sender=world.stranger) == "AuthorizationUsedOrCanceled"
