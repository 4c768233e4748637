"""From the language tags that clients send (BCP-47) to the codes that a Whisper model knows."""

from collections.abc import Collection

from whisper_server.errors import InvalidRequestError

#: Tags that ask for the language to be detected.
DETECT = frozenset({"", "auto", "multi"})

#: Primary subtags that Whisper spells in another way, or knows only as their macrolanguage.
_ALIASES = {
    "cmn": "zh",
    "fil": "tl",
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jv": "jw",
    "nb": "no",
}


def whisper_language(tag: str, known: Collection[str]) -> str | None:
    """Return the code in `known` for a tag such as en-US, nb or zh-TW; None when it is to be detected.

    Raises:
        InvalidRequestError: when the model does not know the language; the text lists those that it knows.
    """
    if tag.lower() in DETECT:
        return None
    primary = tag.replace("_", "-").split("-")[0].lower()
    code = _ALIASES.get(primary, primary)
    if code not in known:
        raise InvalidRequestError(
            f"language {tag[:40]!r} is not one that this model knows: leave it empty to detect it, "
            f"or send one of {', '.join(sorted(known))}"
        )
    return code
