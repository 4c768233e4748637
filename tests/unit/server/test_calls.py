"""What every call has in common, where gRPC's own client is too careful to send what others do."""

import pytest

from whisper_server.operations.accounting import REQUEST_ID_KEY
from whisper_server.operations.metrics import Metrics
from whisper_server.rpc.calls import Calls


class Context:
    """The metadata of one call."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self.trailing: dict[str, str] = {}

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ((REQUEST_ID_KEY, self._request_id),)

    def time_remaining(self) -> None:
        """It waits for ever."""

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.trailing = dict(metadata)


async def answer() -> str:
    return "answer"


@pytest.mark.parametrize("sent", ["é", "two\nlines", ""])
async def test_an_id_that_cannot_be_sent_back_or_logged_is_replaced(sent: str) -> None:
    context = Context(sent)
    assert await Calls(Metrics()).answer("Recognize", context, answer) == "answer"
    returned = context.trailing[REQUEST_ID_KEY]
    assert returned.isalnum()
    assert returned.isascii()
