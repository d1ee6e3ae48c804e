"""Why a payment is refused, in the words the official packages know, and the two ways to say so."""

from __future__ import annotations

from enum import StrEnum

from backend.errors import Conflict, Problem

_EVM = "invalid_batch_settlement_evm"


class Reason(StrEnum):
    """Stable codes of refused payments. Clients recover by themselves from `CUMULATIVE_MISMATCH` only."""

    NEEDED = "PAYMENT-SIGNATURE header is required"
    VERSION = "invalid_x402_version"
    SCHEME = "unsupported_scheme"
    NETWORK = "invalid_network"
    REQUIREMENTS = "invalid_payment_requirements"
    PAYLOAD = "invalid_payload"
    TYPE = f"{_EVM}_payload_type"
    CHANNEL_ID = f"{_EVM}_channel_id_mismatch"
    CHANNEL_UNKNOWN = f"{_EVM}_channel_not_found"
    RECEIVER = f"{_EVM}_receiver_mismatch"
    AUTHORIZER = f"{_EVM}_receiver_authorizer_mismatch"
    AUTHORIZER_MISSING = f"{_EVM}_authorizer_not_configured"
    TOKEN = f"{_EVM}_token_mismatch"
    DELAY = f"{_EVM}_withdraw_delay_mismatch"
    DELAY_RANGE = f"{_EVM}_withdraw_delay_out_of_range"
    VOUCHER_SIGNATURE = f"{_EVM}_voucher_signature"
    EXCEEDS_BALANCE = f"{_EVM}_cumulative_exceeds_balance"
    BELOW_CLAIMED = f"{_EVM}_cumulative_below_claimed"
    CUMULATIVE_MISMATCH = f"{_EVM}_cumulative_amount_mismatch"
    BUSY = f"{_EVM}_channel_busy"
    DEPOSIT = f"{_EVM}_deposit_payload"
    DEPOSIT_FAILED = f"{_EVM}_deposit_transaction_failed"
    DEPOSIT_SIGNATURE = f"{_EVM}_receive_authorization_signature"
    DEPOSIT_METHOD = f"{_EVM}_erc3009_authorization_required"
    CLAIM_FAILED = f"{_EVM}_claim_transaction_failed"
    NOTHING_TO_SETTLE = f"{_EVM}_nothing_to_settle"
    SETTLE_FAILED = f"{_EVM}_settle_transaction_failed"
    REFUND = f"{_EVM}_refund_payload"
    REFUND_AMOUNT = f"{_EVM}_refund_amount_invalid"
    REFUND_EMPTY = f"{_EVM}_refund_no_balance"
    REFUND_FAILED = f"{_EVM}_refund_transaction_failed"
    VALID_AFTER = "invalid_exact_evm_payload_authorization_valid_after"
    VALID_BEFORE = "invalid_exact_evm_payload_authorization_valid_before"
    VALUE = "invalid_exact_evm_payload_authorization_value_mismatch"
    RECIPIENT = "invalid_exact_evm_payload_recipient_mismatch"
    SIGNATURE = "invalid_exact_evm_payload_signature"
    FUNDS = "insufficient_funds"
    USED = "duplicate_settlement"
    TRANSACTION_STATE = "invalid_transaction_state"
    PENDING = "settlement_pending"
    UNEXPECTED = "unexpected_settle_error"
    CLOSING = "pool_closing"
    CHAIN_BEHIND = "chain_behind"
    KEY_CAP = "session_key_cap"
    RETIRED = "operator_retired"


class Refused(Exception):  # noqa: N818  # a payment that is well formed and not taken
    """A payment is not taken: `reason` is the code, `detail` one sentence, `payer` who tried, where known."""

    def __init__(self, reason: Reason, detail: str = "", *, payer: bytes | None = None) -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail or reason.value
        self.payer = payer


class PaymentMalformed(Problem):
    """A header or body that is no x402 message."""

    status, code, title = 400, "payment_malformed", "The payment is not an x402 version 2 message."


class PaymentIdRequired(Problem):
    status, code, title = 400, "payment_identifier_required", "This resource wants a payment identifier."


class PaymentIdUsed(Conflict):
    code, title = "payment_identifier_used", "This payment identifier was used with another request."


class UpstreamFailed(Problem):
    """The agent's server did not answer properly; nothing was charged."""

    status, code, title, retryable = 502, "upstream_failed", "The agent did not answer; nothing was charged.", True


class AnswerUnusable(UpstreamFailed):
    """The agent's server is there, and what it has answered to this request cannot be passed on."""


class UpstreamLate(UpstreamFailed):
    """The agent's server did not answer in the time it was given."""


class RequestUnusable(UpstreamFailed):
    """What the caller has sent cannot be passed on; no agent's server was asked."""

    status, code, retryable = 400, "bad_request", False
    title = "The request cannot be passed on to the agent; nothing was charged."


class UpstreamRefused(Problem):
    """An address we do not call."""

    status, code, title = 400, "upstream_refused", "This address is not one the gateway calls."
