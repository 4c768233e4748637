"""The table of settings in docs/server.md, made from the code: `make manifests` writes it, a test compares it."""

import re
from pathlib import Path

from whisper_server.configuration.reading import describe_settings

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
_HEAD = "| flag | environment | default | what it is |\n|---|---|---|---|\n"


def settings_table() -> str:
    """Return the table, its head included."""
    return _HEAD + "".join(
        f"| `{setting.flag}` | `{setting.variable}` | {_default(setting.default)} | {setting.help} |\n"
        for setting in describe_settings()
    )


def _default(text: str | None) -> str:
    if text is None:
        return "required"
    return f"`{text}`" if text else "empty"


def with_table(page: str) -> str:
    """Return `page` with the table that it should hold."""
    return re.sub(re.escape(_HEAD) + r"(\|[^\n]*\n)*", lambda _: settings_table(), page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
