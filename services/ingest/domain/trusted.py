"""An alert whose fields a parser has made valid: to check them again would cost a tenth of all that is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.incident.alert import Alert

_DEFAULTS = {name: field.get_default(call_default_factory=True) for name, field in Alert.model_fields.items()}

if TYPE_CHECKING:
    trusted_alert = Alert
else:

    def trusted_alert(**fields: Any) -> Alert:  # noqa: ANN401 -- the types are those of `Alert`, as is checked above
        """Return what `Alert(**fields)` returns for valid fields; a test holds both equal for whatever senders send."""
        alert = Alert.__new__(Alert)
        fill = object.__setattr__
        fill(alert, "__dict__", _DEFAULTS | fields)
        fill(alert, "__pydantic_fields_set__", set(fields))
        fill(alert, "__pydantic_extra__", None)
        fill(alert, "__pydantic_private__", None)
        return alert
