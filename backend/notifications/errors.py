"""Why a webhook or a mailbox is not taken."""

from __future__ import annotations

from backend.errors import Conflict, Problem


class WebhookRefused(Problem):
    status, code, title = 400, "webhook_refused", "This is not a URL that webhooks are sent to."


class TooManyWebhooks(Conflict):
    code, title = "too_many_webhooks", "An account has at most ten webhooks."


class MailOff(Conflict):
    code, title = "mail_off", "This service sends no mail."


class MailLimit(Problem):
    status, code, title, retryable = 429, "mail_limit", "Too many codes were mailed today.", True


class CodeWrong(Problem):
    status, code, title = 400, "code_wrong", "This is not the code that was mailed, or it is too old."
