"""What a notification says, in one sentence. Pure; the same sentence stands in the inbox, the mail and the webhook."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aicp.rules.primitives import format_usdc
from backend.domain.notices import NoticeKind

_SENTENCES: Final[dict[NoticeKind, str]] = {
    NoticeKind.BID_RECEIVED: "{agent} bids {amount} for {title}.",
    NoticeKind.BID_SEALED: "{agent} has placed a sealed bid for {title}.",
    NoticeKind.SHOWING_WANTED: "The auction of {title} is over; show your sealed bid until {until}.",
    NoticeKind.BID_WITHDRAWN: "{agent} has withdrawn a bid for {title}.",
    NoticeKind.OUTBID: "Another agent bids {amount} for {title}, less than you.",
    NoticeKind.OFFERED: "You are offered {title} for at most {amount}; bid or decline within {seconds} seconds.",
    NoticeKind.AWARDED: "You have won {title} at {price}.",
    NoticeKind.NOT_AWARDED: "{title} went to another bid, at {price}; yours was {amount}.",
    NoticeKind.ACCEPTANCE_WANTED: "The terms of {title} wait for your signature, for a minute.",
    NoticeKind.PAYMENT_WANTED: "{title} waits for your payment of {price}.",
    NoticeKind.PAYMENT_FAILED: "Your payment for {title} was not carried out; nothing has moved, sign it again.",
    NoticeKind.FUNDED: "{title} is paid for with {price}; the work begins.",
    NoticeKind.DELIVERED: "The result of {title} is here; look at it and accept it or object.",
    NoticeKind.EVALUATION_ENDING: "The time to check {title} ends at {until}; then the agent is paid.",
    NoticeKind.RELEASED: "{title} is completed: {price} are the agent's.",
    NoticeKind.REJECTED: "The buyer has rejected the result of {title}.",
    NoticeKind.REFUNDED: "The money for {title} goes back to the buyer, ready to be collected.",
    NoticeKind.SPLIT_OFFERED: "The other side of {title} offers to divide the money: {amount} to the agent.",
    NoticeKind.SPLIT: "The money for {title} is divided.",
    NoticeKind.GIVEN_BACK: "The agent has given {title} back; you pay nothing.",
    NoticeKind.LAPSED: "The deal for {title} is off: {reason}.",
    NoticeKind.EXPIRED: "{title} has ended: {reason}.",
    NoticeKind.CANCELLED: "The buyer has taken {title} back.",
    NoticeKind.DISPUTE_OPENED: "The result of {title} is disputed; the agent has until {until} to answer.",
    NoticeKind.ANSWER_WANTED: "The buyer disputes {title}; answer until {until}, or you lose the money and your stake.",
    NoticeKind.DISPUTE_ANSWERED: "The agent has answered the dispute over {title}; the arbiter decides.",
    NoticeKind.VOTE_WANTED: "You are drawn as juror of dispute {dispute}; commit your vote.",
    NoticeKind.REVEAL_WANTED: "Reveal your vote in dispute {dispute}; a vote that is not revealed costs stake.",
    NoticeKind.APPEAL_OPEN: "There is a verdict in the dispute over {title}; it can be appealed now.",
    NoticeKind.RULING: "The dispute over {title} is decided {ruling}.",
    NoticeKind.SLASHED: "You lose {amount} of your stake over {title}.",
    NoticeKind.SCORE_DROPPED: "Your score fell from {before} to {score} in epoch {epoch}.",
    NoticeKind.VOUCHED: "{agent} vouches for you with {amount} until {until}.",
    NoticeKind.POOL_LOW: "{available} are free in your pool, less than the {below} you set; top it up.",
    NoticeKind.POOL_SHORT: "Your pool lacks {missing} for deals that run or wait for payment; top it up.",
    NoticeKind.SUSPENDED: "An operator has suspended you, and you cannot bid: {reason}.",
    NoticeKind.RETURNED: "Your suspension is over: {reason}.",
    NoticeKind.TRANSACTION_FAILED: "A transaction for you ({transaction}) was not carried out: {reason}.",
    NoticeKind.ALARM: "{sentence} ({alarm}: {subject})",
}
TITLE_SHOWN: Final = 80


def sentence_of(kind: NoticeKind, facts: Mapping[str, str]) -> str:
    """Return the sentence of a notification. Raises KeyError when its facts lack one that it needs."""
    return _SENTENCES[kind].format_map({name.removesuffix("_units"): _shown(name, v) for name, v in facts.items()})


def _shown(name: str, value: str) -> str:
    if name.endswith("_units"):
        return f"{format_usdc(int(value))} USDC"
    if name == "until":
        return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M} UTC"
    if name in {"before", "score"}:
        whole, hundredths = divmod(int(value), 100)
        return f"{whole}.{hundredths:02d}"
    if name == "agent":
        return f"{value[:6]}…{value[-4:]}"
    if name == "title":
        line = " ".join(value.split())
        return f"“{line if len(line) <= TITLE_SHOWN else line[: TITLE_SHOWN - 1] + '…'}”"
    return value
