"""The root of every error Signoff raises on purpose.

SignoffError
├── ConfigurationError   settings are wrong or another process is in the way: a person must act
│   └── AuthoredError    a runbook, policy, people, rule or scenario file is wrong; names file, line and column
├── NotFoundError        the named thing does not exist
├── RefusedError         not allowed, expired, already decided, or changed meanwhile
└── UnavailableError     something outside cannot be reached now; trying again may help
"""

from __future__ import annotations

from typing import ClassVar


class SignoffError(Exception):
    """Something went wrong that a caller can name.

    `reason` is stable and short: it becomes a metric label and part of an event. `retryable` says whether the same
    call may succeed later without anybody changing anything.
    """

    reason: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class ConfigurationError(SignoffError):
    """A file or setting is wrong; the message names it and says what to do."""

    reason = "configuration"


class AuthoredError(ConfigurationError):
    """A file that people author does not pass its check."""

    reason = "authored"


class NotFoundError(SignoffError):
    """The named thing does not exist; the message lists near names where there are some."""

    reason = "not_found"


class RefusedError(SignoffError):
    """The request was understood and is not allowed."""

    reason = "refused"


class UnavailableError(SignoffError):
    """A system outside does not answer; nothing is known about the outcome of a call that changes something."""

    reason = "unavailable"
    retryable = True
