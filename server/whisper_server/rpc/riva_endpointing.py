"""Riva's EndpointingConfig, and the VAD options of `custom_configuration`, as voice activity's times and thresholds.

Riva's thresholds are shares of a window: in which its acoustic model says something, to begin an utterance, or nothing,
to end it; a higher one is harder to meet. Here they are probabilities of voice activity, and of its absence.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from whisper_server.engine.limits import check_range
from whisper_server.engine.options import VadOptions
from whisper_server.errors import InvalidRequestError
from whisper_server.live.interface import Endpointing

#: Voice activity is never told with more certainty: a `stop_threshold` of Riva's usual 0.98 would not be met in noise.
_LEAST_STOP_PROBABILITY = 0.1
#: How far below the start's threshold faster-whisper puts the end's.
_HYSTERESIS = 0.15

#: The same quantity in voice activity's options and in a live stream's.
_LIVE_NAMES = {
    "threshold": "start_threshold",
    "neg_threshold": "stop_threshold",
    "min_speech_duration_ms": "start_history_ms",
    "min_silence_duration_ms": "stop_history_ms",
    "max_speech_duration_s": "max_utterance_seconds",
}


def read_endpointing(config: Any, vad: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of VadOptions that a request's `endpointing_config` sets over `vad`, which are set already.

    What is 0 or below counts as not given: clients send -1 for that. `stop_history_eou` and `stop_threshold_eou` are
    without effect: there is no first pass that could be stable while the second is not.

    Raises:
        InvalidRequestError: when a threshold is above 1.
    """
    given = config.endpointing_config
    for name in ("start_threshold", "stop_threshold"):
        _check_share(name, getattr(given, name))
    found: dict[str, Any] = {}
    if given.start_history > 0:
        found["min_speech_duration_ms"] = given.start_history
    if given.start_threshold > 0:
        found["threshold"] = given.start_threshold
    if given.stop_history > 0:
        found["min_silence_duration_ms"] = given.stop_history
    if given.stop_threshold > 0:
        start = found.get("threshold", vad.get("threshold", VadOptions().threshold))
        found["neg_threshold"] = min(start, max(_LEAST_STOP_PROBABILITY, 1 - given.stop_threshold))
    return found


def live_endpointing(vad: Mapping[str, Any]) -> Endpointing:
    """Return when a live stream's utterances begin and end, where the request says so by these fields of VadOptions."""
    given = {_LIVE_NAMES[name]: value for name, value in vad.items() if name in _LIVE_NAMES}
    if "threshold" in vad and "neg_threshold" not in vad:
        given["stop_threshold"] = max(vad["threshold"] - _HYSTERESIS, 0.01)
    return replace(Endpointing(), **given)


def _check_share(name: str, value: float) -> None:
    if math.isnan(value):
        raise InvalidRequestError(f"endpointing_config: {name} is no number")
    if value > 0:
        check_range(f"endpointing_config: {name}", value, (0, 1))
