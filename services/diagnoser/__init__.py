"""Diagnoser: which alerts belong together, what is wrong, and which runbook would help.

Consumes: `alerts.v1`, `requests.v1`, `incidents.v1`.
Emits: `incident.*`, `investigation.started`, `evidence.gathered`, `diagnosis.*`, `recommendation.*`,
`question.answered`, `summary.written` on `incidents.v1`.
Owns: alerts and their dispositions, silences, opening and closing of incidents, investigations. Reads vendors, changes
nothing outside.
"""
