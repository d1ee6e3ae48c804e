"""DisputeArbiter: what others send for jurors and parties, and the native token it does not take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.court import DAY, STAKE, Court
from tests.contracts.refusals import CONSENTING, REVERTING, refusal
from tests.contracts.signatures import compact, forged, malformed
from tests.contracts.world import FOREVER, World, nonce_of


def staked(world: World, court: Court, juror: Any, amount: int = STAKE, salt: int = 1) -> tuple[Any, ...]:
    """A stake by the juror's ERC-3009 authorization."""
    nonce = nonce_of(("address", juror.address), ("uint256", salt))
    return (juror, amount, 0, FOREVER, salt, world.authorization(juror, court.arbiter, amount, nonce))


def test_juror_stake__by_anyones_hand_for_the_signer_and_tells(world, court):
    receipt = court.arbiter.stakeWithAuthorization(*staked(world, court, world.client), sender=world.treasury)
    (log,) = court.arbiter.JurorStaked.from_receipt(receipt)
    assert (log.juror, log.amount, log.staked) == (world.client.address, STAKE, STAKE)
    assert court.arbiter.jurorOf(world.client).free == STAKE
    again = refusal(
        world, court.arbiter.stakeWithAuthorization, *staked(world, court, world.client), sender=world.treasury
    )
    assert again == "AuthorizationUsedOrCanceled"


def test_juror_stake__is_refused_for_nothing_and_when_anything_signed_is_changed(world, court):
    good = staked(world, court, world.client)
    call = court.arbiter.stakeWithAuthorization
    assert refusal(world, call, *good, sender=world.treasury) == ""
    nothing = staked(world, court, world.client, 0)
    assert refusal(world, call, *nothing, sender=world.treasury) == "Arbiter_AmountZero"
    # juror, amount, validBefore, salt
    for place, other in ((0, world.provider), (1, STAKE + 1), (3, FOREVER - 1), (4, 2)):
        changed = (*good[:place], other, *good[place + 1 :])
        assert refusal(world, call, *changed, sender=world.treasury) == "InvalidSignature"


def test_juror_stake__of_a_session_under_way_waits_for_its_weight(world, court):
    dispute = court.waiting()
    court.open_session()
    call = staked(world, court, world.client, 4 * STAKE)
    court.arbiter.stakeWithAuthorization(*call, sender=world.treasury)
    assert court.arbiter.jurorOf(world.client).weight == 0
    court.draw(dispute)
    court.arbiter.syncWeight(world.client, sender=world.treasury)
    assert court.arbiter.jurorOf(world.client).weight == 4 * STAKE


def unstake(juror: Any, amount: int = STAKE, until: int = FOREVER) -> dict[str, Any]:
    """What a juror signs to ask for stake."""
    return {"agent": juror.address, "amount": amount, "nonce": 0, "validUntil": until}


def ask(world: World, court: Court, signature: bytes, amount: int = STAKE, until: int = FOREVER, **asked: Any) -> str:
    """What a relayer of the first juror's request meets."""
    call = (court.arbiter.requestUnstakeWithSignature, court.jurors[0], amount, until, signature)
    return refusal(world, *call, sender=world.treasury, **asked)


def test_juror_unstake__counts_to_its_last_second(world, court):
    juror, until = court.jurors[0], world.now() + 60
    signature = court.sign(juror, "JurorUnstake", **unstake(juror, until=until))
    for form in (signature, compact(signature)):
        assert ask(world, court, form, until=until, at=until) == ""
        assert ask(world, court, form, until=until, at=until + 1) == "Arbiter_SignatureExpired"


def test_juror_unstake__of_another_key_place_or_message_is_refused(world, court):
    juror = court.jurors[0]
    others = (court.jurors[1], world.client)
    wrong = forged(juror, others, court.domain(), "JurorUnstake", unstake(juror))
    # the same words at Reputation, where agents say them
    wrong["at Reputation"] = world.sign_reputation(juror, "Unstake", **unstake(juror))
    refused = {what: ask(world, court, signature) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "Arbiter_InvalidSignature")


def test_juror_unstake__of_an_account_with_code(world, court):
    juror = court.jurors[0]
    own = court.sign(juror, "JurorUnstake", **unstake(juror))
    assert ask(world, court, b"whatever it likes", code={juror.address: CONSENTING}) == ""
    assert ask(world, court, own, code={juror.address: REVERTING}) == ""
    refused = {ask(world, court, spoilt, code={juror.address: REVERTING}) for spoilt in malformed(own).values()}
    assert refused == {"Arbiter_InvalidSignature"}


def test_juror_unstake__asks_for_no_more_than_there_is(world, court):
    juror = court.jurors[0]
    for amount, error in ((8 * STAKE, ""), (8 * STAKE + 1, "Arbiter_InsufficientStake")):
        signature = court.sign(juror, "JurorUnstake", **unstake(juror, amount))
        assert ask(world, court, signature, amount) == error


def test_juror_unstake__waits_counts_once_and_tells(world, court):
    juror = court.jurors[0]
    signature = court.sign(juror, "JurorUnstake", **unstake(juror))
    call = (juror, STAKE, FOREVER, signature)
    receipt = court.arbiter.requestUnstakeWithSignature(*call, sender=world.treasury)
    unbond_at = world.chain.blocks.head.timestamp + 7 * DAY
    (log,) = court.arbiter.JurorUnstakeRequested.from_receipt(receipt)
    assert (log.juror, log.amount, log.unbondAt) == (juror.address, STAKE, unbond_at)
    assert court.arbiter.jurorOf(juror).weight == 7 * STAKE
    assert ask(world, court, signature) == "Arbiter_InvalidSignature"
    complete = (court.arbiter.completeUnstake, juror)
    assert refusal(world, *complete, sender=world.treasury, at=unbond_at - 1) == "Arbiter_Unbonding"
    assert refusal(world, *complete, sender=world.treasury, at=unbond_at) == ""


def test_vote_commit__of_another_key_place_or_message_is_refused(world, court):
    dispute = court.panelled()
    juror, other, _ = court.panel(dispute)
    commitment = court.commitment(dispute, juror, 1)
    message = {"disputeId": dispute, "round": 0, "commitment": commitment}
    wrong = forged(juror, (other, world.client), court.domain(), "VoteCommit", message)
    call = (court.arbiter.commitWithSignature, dispute, juror, commitment)
    refused = {what: refusal(world, *call, signature, sender=world.treasury) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "Arbiter_InvalidSignature")
    good = court.sign(juror, "VoteCommit", **message)
    assert refusal(world, *call, compact(good), sender=world.treasury) == ""


def test_disclosure__of_another_key_place_or_message_is_refused(world, court):
    dispute, account = court.ask(), court.jurors[0]
    message = {"disputeId": dispute, "account": account.address}
    wrong = forged(account, (world.client, court.jurors[1]), court.domain(), "Disclosure", message)
    call = (court.arbiter.disclose, dispute, court.extra(), world.client, account)
    refused = {what: refusal(world, *call, signature, sender=world.treasury) for what, signature in wrong.items()}
    assert refused == dict.fromkeys(wrong, "Arbiter_InvalidSignature")
    good = court.sign(account, "Disclosure", **message)
    assert refusal(world, *call, compact(good), sender=world.treasury) == ""


@pytest.mark.parametrize("period", ["none", "commit"])
def test_appeal__never_takes_the_native_token(world, court, period):
    dispute = court.panelled() if period == "commit" else 7
    assert refusal(world, court.arbiter.appeal, dispute, b"", sender=world.client) == "Arbiter_NativeTokenNotTaken"
    assert court.arbiter.appealCost(dispute, b"") == 2**256 - 1
    assert world.chain.provider.get_balance(court.arbiter.address) == 0
