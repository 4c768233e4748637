"""Reading the JSON of objects: fields that may be absent, and times."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]


def dig(body: JSON | None, *path: str) -> Any:
    """Return the field at `path`, or None where the path ends early."""
    value: Any = body
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def each(body: JSON | None, *path: str) -> list[JSON]:
    """Return the list at `path`; empty when it is absent."""
    return dig(body, *path) or []


def name(body: JSON) -> str:
    """Return the object's name."""
    return str(body["metadata"]["name"])


def is_terminating(body: JSON) -> bool:
    """Tell whether the object is on its way out."""
    return "deletionTimestamp" in body["metadata"]


def controller(body: JSON) -> str | None:
    """Return the uid of the object's controller."""
    owners = each(body, "metadata", "ownerReferences")
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def condition(body: JSON | None, kind: str, status: str = "True") -> JSON | None:
    """Return the condition of that type and status."""
    found = (entry for entry in each(body, "status", "conditions") if entry["type"] == kind)
    return next((entry for entry in found if entry["status"] == status), None)


def event_time(event: JSON) -> str:
    """Return when the event happened last, in a form that sorts; the two APIs and all reporters write other fields."""
    series = dig(event, "series", "lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or "")


def time_of(text: str) -> datetime:
    """Return an RFC 3339 time."""
    return datetime.fromisoformat(text)


def format_time(moment: datetime) -> str:
    """Return the RFC 3339 form that the API server uses."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def latest(moments: Iterable[datetime]) -> datetime | None:
    """Return the latest of the times, if any."""
    return max(moments, default=None)
