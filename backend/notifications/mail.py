"""Mail over SMTP, by the settings; off where they name no server."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from types import TracebackType
from typing import Final, Self

import structlog

from backend.settings import Settings

_log = structlog.get_logger("mail")
MAX_SUBJECT: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail; `id` is the same at every try, so that mail programs show it once."""

    id: str
    to: str
    subject: str
    text: str


class Mailer:
    """One connection for some letters, opened with the first. Where the server is away, it is asked once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: smtplib.SMTP | None = None
        self._away: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    def send(self, letter: Letter) -> str | None:
        """Hand a letter to the server; return None once it took it, else a word for what went wrong."""
        if not self._settings.smtp_host:
            return "mail_refused"
        if self._away is not None:
            return self._away
        try:
            if self._server is None:
                self._server = self._connect()
            self._server.send_message(self._message(letter))
        except TimeoutError:
            self._drop()
            self._away = "too_slow"
            return self._away
        except smtplib.SMTPResponseException as error:
            self._drop()
            _log.warning("the mail server refuses a letter", code=error.smtp_code)
            return "mail_refused"
        except smtplib.SMTPRecipientsRefused:
            self._drop()
            return "mail_refused"
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            _log.warning("the mail server does not answer", error=type(error).__name__)
            self._away = "no_answer"
            return self._away
        return None

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connect(self) -> smtplib.SMTP:
        s = self._settings
        where, wait = (s.smtp_host, s.smtp_port), s.smtp_timeout_seconds
        server: smtplib.SMTP
        if s.smtp_security == "tls":
            server = smtplib.SMTP_SSL(*where, timeout=wait, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(*where, timeout=wait)
        try:
            if s.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if s.smtp_user:
                server.login(s.smtp_user, s.smtp_password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.smtp_from
        message["To"] = letter.to
        subject = " ".join(letter.subject.split())
        message["Subject"] = subject if len(subject) <= MAX_SUBJECT else subject[: MAX_SUBJECT - 1] + "…"
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{letter.id}@{self._settings.smtp_from.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message
