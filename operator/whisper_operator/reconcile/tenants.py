"""Who else is on a claim, and what they need there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whisper_contract.digest import format_digest, parse_digest
from whisper_operator.api.model import is_deleted, parse_leniently
from whisper_operator.reconcile.objects import JSON, dig


@dataclass(frozen=True, slots=True)
class Tenant:
    """A WhisperModel, as far as its claim is concerned.

    Attributes:
        digests: of the artifacts that its status or its spec refers to.
    """

    name: str
    claim: str
    digests: frozenset[str]


def tenants(bodies: Iterable[JSON], claim: str) -> tuple[Tenant, ...]:
    """Return the WhisperModels among `bodies` whose artifacts are on `claim`; those that are being deleted left out.

    A spec or a status that cannot be read as a whole is read as far as it can be: its digests are needed, too.
    """
    found = (_tenant(body) for body in bodies if not is_deleted(body))
    return tuple(tenant for tenant in found if tenant.claim == claim)


def _tenant(body: JSON) -> Tenant:
    model = parse_leniently(body)
    return Tenant(model.name, model.claim, digests_of(body))


def digests_of(body: JSON) -> frozenset[str]:
    """Return every digest in the status of a WhisperModel, and the one that it is pinned to, as sha256:<hex>."""
    texts = [*_values_of("digest", body.get("status")), dig(body, "spec", "pin")]
    return frozenset(_readable(text for text in texts if isinstance(text, str)))


def _values_of(wanted: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from [part] if key == wanted else _values_of(wanted, part)
    elif isinstance(value, list):
        for part in value:
            yield from _values_of(wanted, part)


def _readable(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield format_digest(parse_digest(text))
        except ValueError:
            continue


def needed_by(others: Sequence[Tenant]) -> frozenset[str]:
    """Return the digests that any of them refers to."""
    return frozenset().union(*(tenant.digests for tenant in others))
