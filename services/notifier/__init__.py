"""Notifier: what people see and say.

Consumes: `incidents.v1`.
Emits: `decision.submitted`, `notice.posted` on `decisions.v1`; `question.asked`, `incident.requested`,
`silence.requested`, `feedback.given` on `requests.v1`.
Owns: the journal, the read model, the console, sessions, and posts in conversation systems. Decides nothing itself.
"""
