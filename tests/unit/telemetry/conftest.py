"""Tests here configure logging."""

from __future__ import annotations

from tests.support.logs import logging_as_before

__all__ = ["logging_as_before"]
