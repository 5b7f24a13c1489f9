"""Receivers of messages: webhook, Slack, PagerDuty, e-mail.

Each takes a notice as plain data, or raises `StoreError`.

Formats: Slack's incoming webhook (`text`, which Mattermost and others take too), PagerDuty's Events
API v2 (trigger and resolve with a `dedup_key`), RFC 5322 mail over SMTP (STARTTLS where the server
offers it).
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

import httpx

from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings

TIMEOUT = 10.0
Notice = Mapping[str, Any]
Send = Callable[[Settings, Notice], None]


def send(settings: Settings, channel: str, notice: Notice) -> None:
    """Send a notice (see `pipelines.alerting.notice`) through a channel.

    Raises `StoreError` where the receiver does not answer or does not take it, or is not configured
    (any more). Secrets of its address are not repeated.
    """
    try:
        _SENDERS[channel](settings, notice)
    except httpx.HTTPStatusError as error:
        raise _not_taken(
            channel, f"HTTP {error.response.status_code} {error.response.reason_phrase}"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError, ValueError) as error:
        raise _not_taken(channel, type(error).__name__) from error


def _webhook(settings: Settings, notice: Notice) -> None:
    _post(settings.notify_webhook, dict(notice))


def _slack(settings: Settings, notice: Notice) -> None:
    escaped = notice["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    _post(settings.notify_slack, {"text": escaped})


def _pagerduty(settings: Settings, notice: Notice) -> None:
    resolved = notice["event"] == "resolved"
    severity = "critical" if notice["severity"] == "critical" else "warning"
    detail = {name: value for name, value in notice.items() if name != "text"}
    payload = {
        "summary": f"{notice['use_case']}: {notice['what']}"[:1024],
        "source": f"tollgate/{notice['use_case']}",
        "severity": severity,
        "timestamp": notice["since"],
        "custom_details": detail,
    }
    body = {
        "routing_key": settings.notify_pagerduty,
        "event_action": "resolve" if resolved else "trigger",
        "dedup_key": notice["key"],
        "payload": payload,
        "links": [{"href": notice["link"], "text": "Model Ops"}] if notice["link"] else [],
    }
    _post(settings.notify_pagerduty_url, body)


def _email(settings: Settings, notice: Notice) -> None:
    host, _, port = settings.notify_smtp.partition(":")
    mail = EmailMessage()
    subject = f"[{notice['severity']}] {notice['use_case']}: {notice['event']}: {notice['what']}"
    mail["Subject"] = " ".join(subject.split())[:200]
    mail["From"] = settings.notify_sender
    mail["To"] = settings.notify_email or ""
    mail["X-Tollgate-Incident"] = notice["key"]
    mail.set_content(notice["text"])
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls()
        server.send_message(mail)


_SENDERS: Mapping[str, Send] = {
    "webhook": _webhook,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "email": _email,
}


def _post(address: str | None, body: Mapping[str, Any]) -> None:
    if not address:
        raise ValueError("no address")
    httpx.post(address, json=body, timeout=TIMEOUT).raise_for_status()


def _not_taken(channel: str, problem: str) -> StoreError:
    return StoreError(
        f"a notice was not taken by {channel}",
        where=f"TOLLGATE_NOTIFY_{channel.upper()}",
        expected="a receiver that answers",
        found=problem,
        next_step="correct the address or wait; `tollgate oncall --send` tries again",
        runbook="docs/runbooks/notifier.md",
    )
