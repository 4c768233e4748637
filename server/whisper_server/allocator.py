"""How the process treats memory that the model gives back: it keeps it for the next batch.

A batch takes blocks of hundreds of megabytes, for some milliseconds each. The C library would ask the kernel for each
anew, and the kernel would fill it with zeros, page by page: a fifth of the CPU time of short clips in batches.
"""

import ctypes

# Names and numbers of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

#: Smaller blocks, in bytes, are kept; as much freed memory at the end of the heap is, too.
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, for all threads together; where it is not glibc nothing changes.

    To be called before there are threads: those that have a heap of their own keep it, and theirs hold no large block.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
