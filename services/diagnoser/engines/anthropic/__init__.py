"""A model's second opinion on what the offline engine concluded.

The model selects among ids; it is asked with a bounded, redacted pack of evidence, may look closer with read-only
tools, and its answer counts only after a gate in code. What is proposed follows from the offline conclusion alone.
"""
