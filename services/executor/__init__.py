"""Executor: from a recommendation to a signed approval, exactly the approved change, its verification and its undo.

Consumes: `incidents.v1` (recommendations, recoveries, closings), `decisions.v1` (signed decisions, posted notices).
Emits: `plan.*`, `approval.*`, `execution.*`, `step.*`, `verification.*`, `rollback.*`, `handoff.requested`.
Owns: plans, policies, approvals, executions, verification. The only service that may change production, and only in
`actions/`.
"""
