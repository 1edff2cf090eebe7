"""Ingest: durable acceptance of webhooks, and nothing else.

Consumes: HTTP webhooks of Datadog, PagerDuty and generic senders (Standard Webhooks).
Emits: `delivery.received`, `delivery.unreadable`, `delivery.not_an_alert` on `alerts.v1`.
Owns: receipts, the spool, webhook secrets. Knows no incidents; touches nothing outside.
"""
