"""The largest batch is run before the first request, on a device that may have no room for it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.server.engines import DEVICE, SETTINGS, model
from whisper_server.engine.devices import default_max_batch
from whisper_server.engine.interface import EngineError
from whisper_server.engine.loading import LoadedModel
from whisper_server.engine.payloads import Payload, Result
from whisper_server.engine.rehearsal import rehearse
from whisper_server.engine.runner import WhisperRunner, as_runner_error
from whisper_server.engine.schedule.rows import ScheduleSettings
from whisper_server.engine.whisper import WhisperEngine

__all__ = ["model"]


class SmallDevice(WhisperRunner):
    """A device with room for few windows, that says so as CUDA does.

    Attributes:
        tried: sizes of the batches that it was given.
    """

    def __init__(self, model: LoadedModel, room: int, says: str = "CUDA failed with error out of memory") -> None:
        super().__init__(model.whisper, model.vocabulary)
        self._room = room
        self._says = says
        self.tried: list[int] = []

    def run(self, payloads: Sequence[Payload]) -> Sequence[Result]:
        self.tried.append(len(payloads))
        if len(payloads) > self._room:
            raise as_runner_error(RuntimeError(self._says))
        return super().run(payloads[:1])


def test_a_batch_for_which_there_is_no_room_is_halved(model: LoadedModel) -> None:
    device = SmallDevice(model, room=5)
    assert rehearse(model, device, 16, word_times=True) == 4
    assert device.tried == [16, 8, 4]


def test_a_device_without_room_for_one_window_cannot_be_used(model: LoadedModel) -> None:
    with pytest.raises(
        EngineError, match=f"the model cannot run on {DEVICE}: there is not enough memory: choose a smaller"
    ):
        rehearse(model, SmallDevice(model, room=0), 4, word_times=True)


def test_a_device_that_does_not_work_is_said_in_a_sentence(model: LoadedModel) -> None:
    says = "Library libcublas.so.12 is not found or cannot be loaded"
    with pytest.raises(
        EngineError, match=rf"the model cannot run on {DEVICE}: cuBLAS 12 is missing: .* \(Library libcublas"
    ):
        rehearse(model, SmallDevice(model, room=0, says=says), 4, word_times=False)


@pytest.mark.parametrize(
    ("max_batch", "sizes"), [(3, [3]), (0, [default_max_batch(DEVICE)])], ids=["as set", "as is best"]
)
async def test_a_model_that_is_loaded_has_run_its_largest_batch(
    published_artifact: Path, monkeypatch: pytest.MonkeyPatch, max_batch: int, sizes: list[int]
) -> None:
    ran: list[int] = []
    run = WhisperRunner.run

    def noted(runner: WhisperRunner, payloads: Sequence[Payload]) -> Sequence[Result]:
        ran.append(len(payloads))
        return run(runner, payloads)

    monkeypatch.setattr(WhisperRunner, "run", noted)
    schedule = ScheduleSettings(max_batch=max_batch, max_batch_ms=0)
    engine = await WhisperEngine.load(published_artifact, replace(SETTINGS, schedule=schedule))
    await engine.close()
    assert ran == sizes
