"""The page to try the model in a real browser: with a file, speaking, by keyboard, and when it does not work."""

import asyncio
import re
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FileChooser, Page, async_playwright, expect

from tests.support.browser import browser_program
from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.conftest import MODEL, RECORDING, published_artifact
from tests.unit.server.engines import recording
from tests.unit.server.fakes import HELLO
from tests.unit.server.http_server import HttpServed, serving_http
from tests.unit.server.process import ServerProcess
from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.configuration.values import MIB

__all__ = ["published_artifact"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
# Machines are shared: what is pressed has as long as what is expected.
PATIENCE_MILLISECONDS = 240_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)

SPOKEN = "en-02.flac"
#: Nobody but this machine is called so, and yet browsers do not trust it as they trust localhost.
UNTRUSTED = "speech.test"
DROP = """([target, name, bytes]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
  const dropped = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(target).dispatchEvent(dropped);
}"""
#: A browser without a screen has nobody who would refuse it the microphone.
REFUSE = "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }"
#: Whoever looks now and then may miss what is shown for a moment.
NOTE_INTERIMS = """() => {
  const interim = document.getElementById("interim");
  window.interims = [];
  const note = () => window.interims.push(interim.textContent);
  new MutationObserver(note).observe(interim, { childList: true });
}"""
#: Firefox gives a microphone at its own rate alone.
DO_NOT_RESAMPLE = """() => {
  const connect = AudioContext.prototype.createMediaStreamSource;
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    if (this.sampleRate === 16000) throw new DOMException("another rate", "NotSupportedError");
    return connect.call(this, stream);
  };
}"""
#: And it takes its time to close what plays and records, which it refuses to close again meanwhile.
CLOSE_SLOWLY = """() => {
  const closing = new WeakSet();
  AudioContext.prototype.close = async function () {
    if (closing.has(this)) throw new DOMException("closed twice", "InvalidStateError");
    closing.add(this);
  };
}"""
#: And it never starts where there is nothing that plays sound.
NEVER_START = "() => { AudioContext.prototype.resume = () => new Promise(() => {}); }"
#: What stands between the times of a line.
TO = "\N{EN DASH}"
#: The page knows what the server serves, or that it needs a token.
READY = "#model:not(:empty), #access:not([hidden])"
FILE: Any = {"name": "talk.wav", "mimeType": "audio/wav", "buffer": RECORDING}
NO_AUDIO: Any = {"name": "<img src=x onerror=alert(1)>.txt", "mimeType": "text/plain", "buffer": b"no audio at all"}


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with what is spoken, for a microphone."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    silence = np.zeros(SAMPLE_RATE, np.float32)
    speech = np.concatenate([silence, recording(SPOKEN), silence, silence])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((speech * 32_767).astype(np.int16).tobytes())
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(microphone: Path) -> AsyncIterator[Browser]:
    arguments = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        f"--host-resolver-rules=MAP {UNTRUSTED} 127.0.0.1",
    ]
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=browser_program(), args=arguments)
        yield launched
        await launched.close()


@pytest.fixture(scope="module")
def real_server(published_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server with the small model serves the page."""
    with ServerProcess(tmp_path_factory.mktemp("server"), "--model", str(published_artifact), "--http-page") as server:
        yield f"http://localhost:{server.line('ready')['http_port']}/"


@pytest_asyncio.fixture(loop_scope="module")
async def served() -> AsyncIterator[HttpServed]:
    """A server that says what it is told to."""
    async with serving_http(http_page=True) as running:
        yield running


def address(served: HttpServed, host: str = "localhost") -> str:
    return f"http://{host}:{served.port}/"


@asynccontextmanager
async def opened(browser: Browser, url: str, **options: Any) -> AsyncIterator[Page]:
    """Open the page; it must have had no trouble by the end, and have asked no other server."""
    context = await browser.new_context(permissions=options.pop("permissions", ["clipboard-read"]), **options)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = await context.new_page()
    troubles, asked = _watch(page)
    try:
        await page.goto(url)
        await expect(page.locator(READY)).to_have_count(1)
        yield page
    finally:
        await context.close()
    assert troubles == []
    assert {one.partition("//")[2].partition("/")[0] for one in asked} == {url.partition("//")[2].partition("/")[0]}


def _watch(page: Page) -> tuple[list[str], list[str]]:
    """Note what goes wrong in a page, and which addresses it asks."""
    troubles: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if _is_trouble(message.text) else None)
    page.on("request", lambda request: asked.append(request.url))
    return troubles, asked


def _is_trouble(text: str) -> bool:
    return "401 (Unauthorized)" not in text and "ERR_CONNECTION_REFUSED" not in text


async def drop(page: Page, name: str, data: bytes) -> None:
    await page.evaluate(DROP, ["#drop", name, list(data)])


def said(page: Page) -> Any:
    """The lines of the transcript."""
    return page.get_by_role("log").get_by_role("listitem")


async def done(page: Page) -> None:
    await expect(page.get_by_role("status")).to_contain_text("Done:")


async def assert_accessible(page: Page) -> None:
    """Hold what is shown against axe's rules."""
    found = await Axe().run(page)
    assert found.response["violations"] == [], found.generate_report()


async def test_a_file_that_is_dropped_becomes_words_with_times_a_language_and_captions(
    browser: Browser, real_server: str
) -> None:
    async with opened(browser, real_server) as page:
        await drop(page, SPOKEN, (RECORDINGS / SPOKEN).read_bytes())
        await done(page)
        (line,) = await said(page).all_inner_texts()
        assert spoken_text(SPOKEN) in line
        assert re.match(rf"0:0\d\.\d {TO} 0:0\d\.\d\s", line)
        await expect(page.get_by_role("region", name="Transcript")).to_contain_text("English")
        await expect(page.get_by_role("status")).to_have_text("Done: 0:03 of audio.")
        await page.get_by_role("button", name="Copy SRT").click()
        await expect(page.get_by_role("status")).to_have_text("Copied the SRT.")
        number, times, words = (await page.evaluate("navigator.clipboard.readText()")).splitlines()[:3]
        assert (number, words) == ("1", spoken_text(SPOKEN))
        assert re.fullmatch(r"00:00:0\d,\d{3} --> 00:00:0\d,\d{3}", times)
        await page.get_by_role("button", name="Copy text").click()
        await expect(page.get_by_role("status")).to_have_text("Copied the text.")
        assert await page.evaluate("navigator.clipboard.readText()") == f"{spoken_text(SPOKEN)}\n"


async def test_what_is_spoken_is_written_down(browser: Browser, real_server: str) -> None:
    async with opened(browser, real_server) as page:
        await page.get_by_label("Language", exact=True).select_option("English")
        await page.get_by_role("button", name="Speak").press("Enter")
        await expect(page.get_by_role("button", name="Stop")).to_be_focused()
        await expect(page.get_by_role("log")).to_contain_text(re.compile("radio", re.IGNORECASE))
        await page.keyboard.press("Enter")
        await done(page)
        await expect(page.get_by_role("button", name="Speak")).to_be_focused()


async def test_an_utterance_is_shown_while_it_is_spoken_until_its_words_are_final(
    browser: Browser, served: HttpServed
) -> None:
    async with opened(browser, address(served)) as page:
        await page.evaluate(NOTE_INTERIMS)
        await page.get_by_role("button", name="Speak").click()
        await expect(said(page)).to_have_text([re.compile("Hello there."), re.compile("And bye.")])
        assert await page.evaluate("interims.includes('Hello there. And bye.')")
        await expect(page.locator("#interim")).to_be_empty()
        await page.get_by_role("button", name="Stop").click()
        await done(page)


async def test_all_can_be_done_with_the_keyboard(browser: Browser, served: HttpServed) -> None:
    async with opened(browser, address(served)) as page:
        choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
        page.on("filechooser", choosers.put_nowait)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Choose a file")).to_be_focused()
        await page.keyboard.press("Enter")
        await (await choosers.get()).set_files([FILE])
        await done(page)
        await expect(said(page)).to_have_text([re.compile("Hello there."), re.compile("And bye.")])
        await expect(page.get_by_role("button", name="Choose a file")).to_be_focused()
        reached = []
        for _ in range(5):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.id"))
        assert reached == ["speak", "language", "task", "copy-text", "copy-srt"]
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("Copied the SRT.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_keeps_the_rules_of_accessibility(browser: Browser, served: HttpServed, scheme: Any) -> None:
    options = {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": 360, "height": 740}}
    async with opened(browser, address(served), **options) as page:
        await assert_accessible(page)
        await page.set_input_files("#file", files=[FILE])
        await done(page)
        await assert_accessible(page)
        served.engine.gate.clear()
        await page.set_input_files("#file", files=[FILE])
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await assert_accessible(page)
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_have_text("Stopped.")
        await page.set_input_files("#file", files=[NO_AUDIO])
        await expect(page.get_by_role("alert")).not_to_be_empty()
        await assert_accessible(page)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        assert await page.evaluate("getComputedStyle(document.querySelector('#drop')).transitionDuration") == "0s"


async def test_what_the_server_refuses_is_told_with_what_to_do(browser: Browser, served: HttpServed) -> None:
    async with opened(browser, address(served)) as page:
        alert = page.get_by_role("alert")
        await page.set_input_files("#file", files=[NO_AUDIO])
        await expect(alert).to_contain_text("The audio is in no container known here")
        await expect(alert).to_contain_text("convert this one to WAV, FLAC or MP3")
        served.engine.is_full = True
        await page.set_input_files("#file", files=[FILE])
        await expect(alert).to_contain_text("as much to do as may wait")
        await expect(alert).to_contain_text("Wait a moment, then try again.")
        served.engine.is_full = False
        served.engine.error = RuntimeError("a defect")
        await page.set_input_files("#file", files=[FILE])
        await expect(alert).to_contain_text("under request id")
        await expect(alert).to_contain_text("tell whoever runs this server")
        served.engine.error = None
        segment = replace(HELLO.segments[0], text=NO_AUDIO["name"])
        served.engine.answer = replace(HELLO, segments=(segment,))
        await page.set_input_files("#file", files=[FILE | {"name": NO_AUDIO["name"]}])
        await done(page)
        await expect(alert).to_be_empty()
        await expect(said(page)).to_contain_text(NO_AUDIO["name"])
        assert await page.locator("img").count() == 0, "what others wrote is shown as text"


async def test_a_file_beyond_the_servers_limit_is_not_sent(browser: Browser) -> None:
    async with serving_http(http_page=True, max_upload_bytes=MIB) as served, opened(browser, address(served)) as page:
        await page.set_input_files("#file", files=[FILE | {"buffer": bytes(MIB + 1)}])
        await expect(page.get_by_role("alert")).to_contain_text("talk.wav is larger than the 1 MiB")
        assert served.engine.requests == []


async def test_a_server_that_goes_is_told(browser: Browser, served: HttpServed) -> None:
    served.engine.gate.clear()
    async with opened(browser, address(served)) as page:
        await page.set_input_files("#file", files=[FILE])
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await served.server.stop(0)
        await expect(page.get_by_role("alert")).to_contain_text(
            "The connection to the server broke before all was said."
        )
        await expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
        await page.set_input_files("#file", files=[FILE])
        await expect(page.get_by_role("alert")).to_contain_text("The server did not take the connection.")
        await expect(page.get_by_role("alert")).to_contain_text("Check that it is running.")


async def test_a_server_that_does_not_answer_is_told(browser: Browser, served: HttpServed) -> None:
    async with opened(browser, address(served)) as page:
        await page.evaluate("document.getElementById('access').hidden = false")
        await served.server.stop(0)
        await page.get_by_label("Access token").fill("any")
        await page.get_by_role("button", name="Use it").click()
        await expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")


async def test_a_second_stop_does_without_the_last_words(browser: Browser, served: HttpServed) -> None:
    served.engine.gate.clear()
    async with opened(browser, address(served)) as page:
        await page.get_by_role("button", name="Speak").click()
        await until(lambda: served.engine.windows)
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_contain_text("Press Stop again")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_have_text("Stopped.")
        await until(lambda: served.metric("whisper_server_active_streams") == 0)


async def test_a_microphone_with_a_rate_of_its_own_is_heard_too(browser: Browser, served: HttpServed) -> None:
    async with opened(browser, address(served)) as page:
        await page.evaluate(DO_NOT_RESAMPLE)
        await page.evaluate(CLOSE_SLOWLY)
        await page.get_by_role("button", name="Speak").click()
        await expect(said(page)).to_have_text([re.compile("Hello there."), re.compile("And bye.")])
        await page.get_by_role("button", name="Stop").click()
        await done(page)
    heard = max(len(request.window.samples) for request in served.engine.windows) / SAMPLE_RATE
    assert heard == pytest.approx(len(recording(SPOKEN)) / SAMPLE_RATE, abs=1.5), "at the right speed"


async def test_a_token_is_asked_for_used_and_forgotten(browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("ada:secret-of-ada\n")
    settings: dict[str, Any] = {"http_page": True, "tokens_file": tokens, "allow_tokens_without_tls": True}
    async with serving_http(MODEL, **settings) as served, opened(browser, address(served)) as page:
        token = page.get_by_label("Access token")
        await expect(token).to_be_visible()
        await assert_accessible(page)
        await token.fill("guess")
        await token.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("The token is not known here")
        await expect(token).to_be_focused()
        await token.fill("secret-of-ada")
        await token.press("Enter")
        await expect(token).to_be_hidden()
        await page.set_input_files("#file", files=[FILE])
        await done(page)
        kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
        assert "secret" not in kept
        await page.reload()
        await expect(token).to_be_visible()
        await expect(token).to_have_value("")


async def test_where_a_browser_gives_no_microphone_the_page_says_so_and_files_still_work(
    browser: Browser, served: HttpServed
) -> None:
    async with opened(browser, address(served, UNTRUSTED), permissions=[]) as page:
        speak = page.get_by_role("button", name="Speak")
        await expect(speak).to_be_disabled()
        await expect(speak).to_have_accessible_description(re.compile("To speak, open this page over https"))
        await page.set_input_files("#file", files=[FILE])
        await done(page)
        await page.get_by_role("button", name="Copy SRT").click()
        await expect(page.get_by_role("status")).to_have_text("Copied the SRT.")


async def test_a_server_without_live_streams_offers_files_alone(browser: Browser) -> None:
    async with serving_http(http_page=True, max_streams=0) as served, opened(browser, address(served)) as page:
        speak = page.get_by_role("button", name="Speak")
        await expect(speak).to_be_disabled()
        await expect(speak).to_have_accessible_description(re.compile("writes down files only"))


@pytest.mark.parametrize(
    ("name", "sentence", "next_step"),
    [
        ("NotAllowedError", "The browser did not let this page use the microphone.", "Allow it for this page"),
        ("NotFoundError", "There is no microphone.", "Connect one"),
        ("NotReadableError", "The microphone cannot be used now.", "End other programs that use it"),
    ],
)
async def test_a_microphone_that_cannot_be_used_is_told_with_what_to_do(
    browser: Browser, served: HttpServed, name: str, sentence: str, next_step: str
) -> None:
    async with opened(browser, address(served)) as page:
        await page.evaluate(REFUSE, name)
        await page.get_by_role("button", name="Speak").click()
        await expect(page.get_by_role("alert")).to_contain_text(sentence)
        await expect(page.get_by_role("alert")).to_contain_text(next_step)


async def test_sound_that_does_not_start_is_told_with_what_to_do(browser: Browser, served: HttpServed) -> None:
    async with opened(browser, address(served)) as page:
        await page.evaluate(NEVER_START)
        await page.get_by_role("button", name="Speak").click()
        await expect(page.get_by_role("alert")).to_contain_text("The browser's sound does not start.")
        await expect(page.get_by_role("alert")).to_contain_text("Connect loudspeakers or headphones")
        await expect(page.get_by_role("button", name="Speak")).to_be_visible()
