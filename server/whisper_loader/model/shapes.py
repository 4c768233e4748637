"""What shape each tensor of a Whisper checkpoint must have, given the sizes in its config.json."""

import re
from collections.abc import Mapping
from typing import Any

from whisper_loader.model.documents import invalid, positive_integer
from whisper_loader.model.layout import CONFIG
from whisper_loader.model.safetensors import Tensor

_MAX_WIDTH = 1 << 13
_MAX_INNER_WIDTH = 1 << 16
# Sizes by name: the width is d_model, inner that of the feed-forward part, and any one that is told elsewhere.
_SHAPES = {
    re.compile(pattern): tuple(sizes.split())
    for pattern, sizes in {
        r".+_attn\.[a-z]+_proj\.weight": "width width",
        r".+_attn\.[a-z]+_proj\.bias": "width",
        r".+layer_norm\.(weight|bias)": "width",
        r".+\.fc1\.weight": "inner width",
        r".+\.fc1\.bias": "inner",
        r".+\.fc2\.weight": "width inner",
        r".+\.fc2\.bias": "width",
        r"encoder\.conv1\.weight": "width any kernel",
        r"encoder\.conv2\.weight": "width width kernel",
        r"encoder\.conv[12]\.bias": "width",
        r".+\.embed_positions\.weight": "any width",
        r"decoder\.embed_tokens\.weight|proj_out\.weight": "vocabulary width",
        r"proj_out\.bias": "vocabulary",
    }.items()
}
_KERNEL = 3


def check_shapes(tensors: Mapping[str, Tensor], config: dict[str, Any]) -> None:
    """Check the tensors, named without the prefix "model.", against the sizes that `config` tells.

    Raises:
        LoaderError: InvalidModel, naming a tensor that does not fit, or the size that is missing or not sensible.
    """
    sides = {side: _sizes(config, side) for side in ("encoder", "decoder")}
    for name, tensor in tensors.items():
        sizes = next((sizes for pattern, sizes in _SHAPES.items() if pattern.fullmatch(name)), None)
        known = sides["encoder" if name.startswith("encoder.") else "decoder"]
        if sizes is not None and not _fits(tensor.shape, [known[size] for size in sizes]):
            wanted = ", ".join(str(known[size] or size) for size in sizes)
            raise invalid(
                f"the checkpoint's tensors do not fit together: {name} has the shape {list(tensor.shape)}, "
                f"and {CONFIG} asks for [{wanted}]"
            )


def _sizes(config: dict[str, Any], side: str) -> dict[str, int | None]:
    width = positive_integer(config, "d_model", CONFIG, _MAX_WIDTH)
    heads = positive_integer(config, f"{side}_attention_heads", CONFIG)
    if width % heads:
        raise invalid(f"{CONFIG} says d_model {width}, which {side}_attention_heads, {heads}, does not divide")
    return {
        "width": width,
        "inner": positive_integer(config, f"{side}_ffn_dim", CONFIG, _MAX_INNER_WIDTH),
        "vocabulary": positive_integer(config, "vocab_size", CONFIG),
        "kernel": _KERNEL,
        "any": None,
    }


def _fits(shape: tuple[int, ...], wanted: list[int | None]) -> bool:
    return len(shape) == len(wanted) and all(size in (None, found) for size, found in zip(wanted, shape, strict=True))
