"""NVIDIA's own client package, in a process of its own, as people use it.

Its own process because it brings a health_pb2 that collides with grpc_health's.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.audio_files import RATE, wav
from tests.unit.server.engines import ENGLISH, KOREAN
from tests.unit.server.process import ServerProcess

SUPPORT = Path(__file__).parents[2] / "support"
TRANSCRIBE, LISTEN = SUPPORT / "riva_transcribe.py", SUPPORT / "riva_listen.py"


@pytest.fixture(scope="module")
def server(published_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the real server with the real model."""
    folder = tmp_path_factory.mktemp("server")
    words = folder / "words.txt"
    words.write_text("radio\n")
    arguments = ("--model", str(published_artifact), "--device", "cpu", "--profanity-words-file", str(words))
    with ServerProcess(folder, *arguments) as process:
        yield process.address


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("language", "names"), [("en-US", ENGLISH), ("ko-KR", KOREAN), ("multi", [ENGLISH[0], KOREAN[0]])]
)
def test_offline_recognize_gets_the_right_words(server: str, language: str, names: list[str]) -> None:
    files = [str(RECORDINGS / name) for name in names]
    output = run(str(TRANSCRIBE), server, language, *files)
    heard = {entry["file"]: entry["transcript"] for entry in map(json.loads, output.splitlines())}
    assert heard == {name: spoken_text(name) for name in names}


@pytest.fixture(scope="module")
def two_utterances(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A WAV file of two recordings with pauses between and behind them."""
    pause = np.zeros(int(1.5 * RATE), np.float32)
    parts = [part for name in SAID for part in (decode_audio(str(RECORDINGS / name)), pause)]
    path = tmp_path_factory.mktemp("streams") / "two.wav"
    path.write_bytes(wav(np.asarray(np.concatenate(parts) * 32_767, np.int16)))
    return str(path)


SAID = ("en-02.flac", "en-04.flac")
FINALS = [spoken_text(name) for name in SAID]


def test_a_streams_interims_have_a_stability_below_one_and_its_finals_a_confidence(
    server: str, two_utterances: str
) -> None:
    output = run(str(LISTEN), server, "--show", "confidence", "--interim-results", "--realtime", two_utterances)
    interims = re.findall(r">> (.*)\nStability: +(.*)\n", output)
    finals = re.findall(r"## (.*)\nConfidence: +(.*)\n", output)
    assert [text.strip() for text, _ in finals] == FINALS
    assert all(0 < float(confidence) <= 1 for _, confidence in finals)
    assert interims
    assert all(text and 0 <= float(stability) < 1 for text, stability in interims)
    assert output.count("----") == len(interims) + len(finals), "one result each"


def test_a_streams_words_have_times_from_its_beginning(server: str, two_utterances: str) -> None:
    output = run(str(LISTEN), server, "--show", "time", "--stop-history", "900", two_utterances)
    words = re.findall(r"^(\S+) +(\d+) +(\d+) +[01]\.\d{4} *$", output, re.MULTILINE)
    assert " ".join(word for word, _, _ in words) == " ".join(FINALS)
    starts = [int(start) for _, start, _ in words]
    assert starts == sorted(starts)
    second = starts[len(FINALS[0].split())]
    assert 4_000 <= second <= 5_500, "three seconds of speech and a pause of 1.5 come before it"


def test_containers_are_streamed_as_they_are(server: str) -> None:
    output = run(str(LISTEN), server, "--language-code", "ko-KR", *(str(RECORDINGS / name) for name in KOREAN[:2]))
    assert [line.strip() for line in re.findall(r"## (.*)", output)] == [spoken_text(name) for name in KOREAN[:2]]


def test_custom_configuration_reaches_the_model(server: str) -> None:
    custom = "task:translate,source_language:ko,prompt:Names%3A%20Ada%2C%20Bo"
    output = run(
        *(str(LISTEN), server, "--language-code", "multi", "--custom-configuration", custom),
        str(RECORDINGS / "ko-01.flac"),
    )
    assert output.removeprefix("##").strip() == spoken_text("ko-01.flac", "english")


PROGRAM = """
import sys, riva.client
from riva.client.proto import riva_asr_pb2
service = riva.client.ASRService(riva.client.Auth(uri=sys.argv[1]))
listed = service.stub.GetRivaSpeechRecognitionConfig(riva_asr_pb2.RivaSpeechRecognitionConfigRequest())
for model in listed.model_config:
    print(model.model_name, model.parameters["type"], model.parameters["language_code"])
config = riva.client.RecognitionConfig(language_code="en-US", max_alternatives=3, profanity_filter=True)
for result in service.offline_recognize(open(sys.argv[2], "rb").read(), config).results:
    for alternative in result.alternatives:
        print(f"{alternative.confidence:.3f}{alternative.transcript}")
"""


def test_models_are_listed_as_the_published_scripts_look_for_them_and_alternatives_come_best_first(server: str) -> None:
    offline, online, *alternatives = run("-c", PROGRAM, server, str(RECORDINGS / "en-02.flac")).splitlines()
    assert (offline, online) == ("whisper offline multi", "whisper online multi")
    confidences, texts = zip(*(line.split(" ", 1) for line in alternatives), strict=True)
    assert texts[0] == spoken_text("en-02.flac").replace("radio", "r****")
    assert len(set(texts)) == 3
    assert list(confidences) == sorted(confidences, reverse=True)


OFFLINE = """
import sys, riva.client
service = riva.client.ASRService(riva.client.Auth(uri=sys.argv[1]))
config = riva.client.RecognitionConfig(
    language_code="en-US", max_alternatives=1, enable_automatic_punctuation=True, enable_word_time_offsets=True
)
riva.client.add_word_boosting_to_config(config, ["Ada"], 4.0)
riva.client.add_speaker_diarization_to_config(config, False, 0)
riva.client.add_endpoint_parameters_to_config(config, -1, -1.0, -1, -1, -1.0, -1.0)
riva.client.add_custom_configuration_to_config(config, "")
with open(sys.argv[2], "rb") as file:
    riva.client.print_offline(response=service.offline_recognize(file.read(), config))
"""


def test_what_the_package_prints_of_a_recording_is_all_there(server: str) -> None:
    """As its published transcribe_file_offline.py asks and prints."""
    printed, _, final = run("-c", OFFLINE, server, str(RECORDINGS / "en-02.flac")).rpartition("Final transcript:")
    assert final.strip() == spoken_text("en-02.flac")
    (result,) = json.loads(printed)["results"]
    (alternative,) = result["alternatives"]
    assert (alternative["transcript"], alternative["languageCode"]) == (f" {final.strip()}", ["en"])
    assert 0 < alternative["confidence"] <= 1
    assert [word["word"] for word in alternative["words"]] == final.split()
    assert 0 <= alternative["words"][0]["startTime"] < alternative["words"][-1]["endTime"] <= 3_100
    assert (result["channelTag"], result["audioProcessed"]) == (1, pytest.approx(3, abs=0.5))
