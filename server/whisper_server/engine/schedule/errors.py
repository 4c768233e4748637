"""Why a row has no result, and what a runner may raise.

ScheduleError
├── QueueFullError         no room: nothing was queued
├── RowDroppedError        a partial row made room for another one
├── RowExpiredError        its deadline passed
└── SchedulerClosedError   the scheduler ends

RunnerError
├── BatchTooLargeError     the device has no memory for so many rows
└── BrokenRunnerError      the device will not work again
"""


class ScheduleError(Exception):
    """A row will not be run; the text is one sentence."""


class QueueFullError(ScheduleError):
    """As many rows wait as may."""


class RowDroppedError(ScheduleError):
    """A partial row left the queue for one that matters more."""


class RowExpiredError(ScheduleError):
    """The row's deadline passed before it had a result."""


class SchedulerClosedError(ScheduleError):
    """The scheduler ends, or has ended."""


class RunnerError(Exception):
    """A batch could not be run; the text is one sentence."""


class BatchTooLargeError(RunnerError):
    """There is no memory for so many rows; fewer may do."""


class BrokenRunnerError(RunnerError):
    """The device is in a state in which nothing will run any more."""
