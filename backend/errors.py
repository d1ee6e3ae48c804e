"""Every refusal of the service: RFC 9457 problem+json with a stable code and what to do next."""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """Base of all typed refusals. Subclasses fix `status`, `code`, `title` and whether a retry may help."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request cannot be carried out."
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, what_to_do: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.what_to_do = what_to_do
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """Return the problem document; `extra` values are JSON-ready."""
        document: dict[str, Any] = {
            "type": f"/docs/problems#{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "retryable": self.retryable,
        }
        if self.what_to_do:
            document["what_to_do"] = self.what_to_do
        return document | self.extra


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Sign in first."


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "This session may not do that."


class OriginRefused(Problem):
    status, code, title = 403, "origin_refused", "Requests from this origin are refused."


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing here for you."


class Conflict(Problem):
    status, code, title = 409, "conflict", "The state of the object does not allow this."


class WrongState(Conflict):
    code, title = "wrong_state", "The task is not in a state that allows this."


class AuctionClosed(Conflict):
    code, title = "auction_closed", "The auction takes no more bids."


class IdempotencyMismatch(Conflict):
    code, title = "idempotency_mismatch", "This Idempotency-Key was used with another request."


class BidRefused(Problem):
    status, code, title = 400, "bid_refused", "The bid does not fit the task."


class PriceOutOfRange(Problem):
    status, code, title = 400, "price_out_of_range", "The amount is outside what this network allows."


class UnknownFile(Problem):
    status, code, title = 400, "unknown_file", "You have not uploaded this file."


class QuotaExceeded(Problem):
    status, code, title = 413, "quota_exceeded", "Your files take all the room an address has."


class SignInRefused(Problem):
    status, code, title = 401, "sign_in_refused", "The sign-in message is not valid here."


class BidReplayed(Conflict):
    code, title = "bid_replayed", "This bid was received before."


class AuthorizationLive(Conflict):
    code, title = "authorization_live", "An earlier payment authorization of this task may still be used."


class InvalidSignature(Problem):
    status, code, title = 400, "invalid_signature", "The signature does not belong to the expected signer."


class ContractWalletRefused(Problem):
    status, code, title = 400, "contract_wallet_refused", "This step takes signatures of plain keys only."


class SignatureExpired(Problem):
    status, code, title = 400, "signature_expired", "The signature's time has passed."


class TermsMismatch(Problem):
    status, code, title = 400, "terms_mismatch", "The signed terms are not the ones agreed."


class VoucherAbovePool(Problem):
    status, code, title = 402, "voucher_above_pool", "The pool does not cover this payment."


class CeilingTooLow(Problem):
    status, code, title = 402, "ceiling_too_low", "A voucher with a higher ceiling is needed."


class ChainBehind(Problem):
    status, code, title, retryable = 503, "chain_behind", "The newest final block is too old for this.", True


class Unavailable(Problem):
    status, code, title, retryable = 503, "unavailable", "A part of the service does not answer.", True


class Internal(Problem):
    status, code, title = 500, "internal", "Something went wrong on our side; it has been recorded."


class LimitExceeded(Problem):
    status, code, title, retryable = 429, "limit_exceeded", "Too many requests.", True


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The body is larger than allowed."


class UnsupportedFile(Problem):
    status, code, title = 415, "unsupported_file", "This kind of file is not accepted."


class InvalidInput(Problem):
    status, code, title = 422, "invalid_input", "The request is malformed."
