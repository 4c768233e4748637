"""Some rows of what the encoder made of a batch, wherever that lies."""

from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy as np
import pytest

from whisper_server.engine.encoded import Encoded

ROWS, STEPS, WIDTH = 6, 4, 8
FEATURES = np.arange(ROWS * 2 * STEPS, dtype=np.float32).reshape(ROWS, 2, STEPS)


class Encoder:
    """Gives the same output for each batch, and remembers the batches."""

    def __init__(self, output: Any) -> None:
        self.encoded: list[Any] = []
        self._output = output

    def encode(self, features: Any) -> Any:
        self.encoded.append(np.array(features))
        return self._output


@pytest.mark.parametrize("half", [False, True])
def test_on_a_gpu_rows_begin_where_their_first_one_lies(monkeypatch: pytest.MonkeyPatch, *, half: bool) -> None:
    """The memory is the machine's own: what counts is the place in it that CTranslate2 is told."""
    held = np.arange(ROWS * STEPS * WIDTH, dtype=np.float16 if half else np.float32).reshape(ROWS, STEPS, WIDTH)
    interface = {**held.__array_interface__, "strides": None}
    told: list[Any] = []
    features = ctranslate2.StorageView.from_array(FEATURES)
    monkeypatch.setattr(
        ctranslate2.StorageView, "from_array", lambda array: features if array is FEATURES else told.append(array)
    )
    encoded = Encoded(Encoder(SimpleNamespace(device="cuda", __cuda_array_interface__=interface)), FEATURES)
    encoded.rows(2, 5)
    ((view,),) = [told]
    seen = np.asarray(SimpleNamespace(__array_interface__=view.__cuda_array_interface__))
    assert np.array_equal(seen, held[2:5])


def test_rows_that_cannot_be_looked_at_are_encoded_again() -> None:
    """As bfloat16, which NumPy does not know."""
    encoder = Encoder(SimpleNamespace(device="cuda"))
    encoded = Encoded(encoder, FEATURES)
    encoded.rows(1, 3)
    whole, some = encoder.encoded
    assert np.array_equal(whole, FEATURES)
    assert np.array_equal(some, FEATURES[1:3])
