"""A file is read in parallel parts and comes out in order, whole and once, whatever its source does meanwhile."""

import random
import threading
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.source import ByteStream, SourceFile
from whisper_loader.transfer import parts, retry
from whisper_loader.transfer.parts import PartsReader


@dataclass
class Source:
    """A source in memory that does what a test tells it to.

    Attributes:
        troubles: raised by the next opens, one each.
        most: bytes that a connection gives before it breaks off, when it does.
        opened: ranges that were asked for.
        asleep: nothing is answered while this is clear.
    """

    content: bytes
    ranged: bool = True
    knows_size: bool = True
    troubles: list[LoaderError] = field(default_factory=list)
    most: int | None = None
    opened: list[tuple[int, int | None]] = field(default_factory=list)
    asleep: threading.Event = field(default_factory=threading.Event)
    open_now: int = 0
    most_open: int = 0

    def __post_init__(self) -> None:
        self.asleep.set()

    @property
    def file(self) -> SourceFile:
        return SourceFile("model.tar", len(self.content) if self.knows_size else None, self.open, ranged=self.ranged)

    def reader(self, start: int = 0, deadline: Deadline | None = None) -> PartsReader:
        return PartsReader(self.file, deadline or Deadline(), start)

    def open(self, start: int, stop: int | None) -> ByteStream:
        self.opened.append((start, stop))
        if self.troubles:
            raise self.troubles.pop(0)
        end = len(self.content) if stop is None else stop
        return _Connection(self, start, end if self.most is None else min(end, start + self.most))


class _Connection:
    def __init__(self, source: Source, start: int, end: int) -> None:
        self._source, self._offset, self._end = source, start, end
        source.open_now += 1
        source.most_open = max(source.most_open, source.open_now)

    def read(self, size: int, /) -> bytes:
        self._source.asleep.wait()
        data = self._source.content[self._offset : min(self._end, self._offset + size)]
        self._offset += len(data)
        return data

    def close(self) -> None:
        self._source.open_now -= 1


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 1,000 bytes, in chunks of 300; pauses of next to nothing."""
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    monkeypatch.setattr(parts, "_CHUNK", 300)
    monkeypatch.setattr(parts, "_CHUNKS_OF_PART", 4)
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


CONTENT = random.Random(1).randbytes(12_345)


def read_all(reader: PartsReader, size: int = 700) -> bytes:
    content = b""
    while data := reader.read(size):
        content += data
    reader.close()
    return content


def test_what_comes_out_is_what_went_in() -> None:
    source = Source(CONTENT)
    assert read_all(source.reader()) == CONTENT
    assert sorted(source.opened) == [(start, min(start + 1000, 12_345)) for start in range(0, 12_345, 1000)]


def test_several_parts_are_on_their_way_at_once_and_never_more_than_memory_is_meant_for() -> None:
    source = Source(CONTENT)
    source.asleep.clear()
    threading.Timer(0.2, source.asleep.set).start()
    assert read_all(source.reader()) == CONTENT
    assert source.most_open == parts.PARTS


@given(st.lists(st.integers(1, 3000)), st.integers(0, 12_345))
def test_reads_and_skips_of_any_size_see_the_right_bytes(sizes: list[int], start: int) -> None:
    reader = Source(CONTENT).reader(start)
    position = start
    for index, size in enumerate(sizes):
        if index % 2:
            skipped = min(size, len(CONTENT) - position)
            reader.skip(skipped)
            position += skipped
        else:
            data = reader.read(size)
            assert data == CONTENT[position : position + len(data)]
            assert data or position == len(CONTENT)
            position += len(data)
    assert read_all(reader) == CONTENT[position:]


def test_what_is_skipped_is_not_fetched() -> None:
    source = Source(CONTENT)
    reader = source.reader()
    reader.read(1)
    reader.skip(10_000)
    assert read_all(reader) == CONTENT[10_001:]
    assert not [start for start, _ in source.opened if 1000 * parts.PARTS < start < 10_001]


def test_a_connection_that_breaks_off_is_taken_up_where_it_broke() -> None:
    source = Source(CONTENT, most=450)
    assert read_all(source.reader()) == CONTENT
    assert (450, 1000) in source.opened


def test_a_part_that_fails_is_tried_again_by_itself() -> None:
    unreachable = [LoaderError(Reason.SOURCE_UNREACHABLE, "HTTP 503") for _ in range(3)]
    source = Source(CONTENT, troubles=unreachable)
    assert read_all(source.reader()) == CONTENT
    assert len(source.opened) == len(set(source.opened)) + 3


def test_what_always_fails_is_given_up_with_what_it_said() -> None:
    source = Source(CONTENT[:500], troubles=[LoaderError(Reason.SOURCE_UNREACHABLE, "HTTP 503")] * 100)
    with pytest.raises(LoaderError, match="HTTP 503"):
        read_all(source.reader())
    assert len(source.opened) == retry.ATTEMPTS


def test_what_no_other_try_can_mend_ends_the_read_at_once() -> None:
    source = Source(CONTENT, troubles=[LoaderError(Reason.SOURCE_CHANGED, "replaced")])
    with pytest.raises(LoaderError, match="replaced"):
        read_all(source.reader())
    assert len(source.opened) <= parts.PARTS


def test_the_source_is_left_alone_for_as_long_as_it_asks() -> None:
    source = Source(CONTENT[:500], troubles=[LoaderError(Reason.SOURCE_UNREACHABLE, "HTTP 429", retry_after=0.3)])
    started = time.monotonic()
    assert read_all(source.reader()) == CONTENT[:500]
    assert time.monotonic() - started >= 0.3


def test_a_source_that_says_nothing_more_is_given_up_at_the_deadline() -> None:
    source = Source(CONTENT)
    source.asleep.clear()
    reader = source.reader(deadline=Deadline(0.2))
    with pytest.raises(LoaderError) as raised:
        read_all(reader)
    source.asleep.set()
    assert raised.value.reason is Reason.DEADLINE_EXCEEDED


@pytest.mark.parametrize("knows_size", [True, False])
def test_a_source_without_ranges_is_read_in_one_stream(knows_size: bool) -> None:  # noqa: FBT001
    source = Source(CONTENT, ranged=False, knows_size=knows_size)
    reader = source.reader()
    first = reader.read(500)
    reader.skip(5000)
    assert first + CONTENT[len(first) : len(first) + 5000] + read_all(reader) == CONTENT
    assert source.opened == [(0, None)]


def test_a_source_without_ranges_that_breaks_off_is_not_read_twice() -> None:
    source = Source(CONTENT, ranged=False, most=5000)
    with pytest.raises(LoaderError, match="can't go on from the middle"):
        read_all(source.reader())
    assert source.opened == [(0, None)]


def test_an_empty_file_is_not_asked_for() -> None:
    source = Source(b"")
    assert read_all(source.reader()) == b""
    assert source.opened == []


def test_a_defect_of_a_source_is_an_error_and_not_an_endless_wait() -> None:
    def broken(_start: int, _stop: int | None) -> ByteStream:
        raise ZeroDivisionError

    with pytest.raises(LoaderError) as raised:
        read_all(PartsReader(SourceFile("x", 10, broken), Deadline()))
    assert raised.value.reason is Reason.INTERNAL_ERROR


def test_a_connection_that_cannot_be_closed_is_an_error_and_not_an_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_Connection, "close", lambda _: 1 / 0)
    with pytest.raises(LoaderError) as raised:
        read_all(Source(CONTENT).reader(deadline=Deadline(5)))
    assert raised.value.reason is Reason.INTERNAL_ERROR


def test_nothing_runs_on_after_a_reader_is_closed() -> None:
    source = Source(CONTENT, most=1)
    reader = source.reader()
    reader.read(1)
    reader.close()
    end = time.monotonic() + 240
    while source.open_now and time.monotonic() < end:
        time.sleep(0.01)
    assert source.open_now == 0
