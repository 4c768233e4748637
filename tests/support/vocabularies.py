"""The small model's tokenizer as older programs wrote it: vocab.json, merges.txt, added_tokens.json and so on."""

import json
from pathlib import Path
from typing import Any

from tests.support.models import SPEECH_MODEL


def fixture_tokenizer() -> dict[str, Any]:
    """Return the small model's tokenizer.json."""
    document: dict[str, Any] = json.loads((SPEECH_MODEL / "tokenizer.json").read_text())
    return document


def take_apart(folder: Path, *, flags: bool) -> None:
    """Replace tokenizer.json in `folder` by its parts; with `flags`, tokenizer_config.json tells the added tokens."""
    document = fixture_tokenizer()
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / "vocab.json").write_text(json.dumps(document["model"]["vocab"], ensure_ascii=False))
    merges = "\n".join(" ".join(pair) for pair in document["model"]["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    added = document["added_tokens"]
    if flags:
        tokens = {str(entry["id"]): {key: entry[key] for key in entry if key != "id"} for entry in added}
        (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": tokens}))
    else:
        ids = {entry["content"]: entry["id"] for entry in added}
        (folder / "added_tokens.json").write_text(json.dumps(dict(sorted(ids.items()))))
