"""What a batch gives back is there for the next one, without the kernel's zeros."""

import subprocess
import sys

BLOCK_BYTES = 200 << 20
PAGE_BYTES = 4096

#: Prints how many pages the kernel had to bring when a thread takes a block again that another has given back.
PROGRAM = f"""
import resource, threading
from whisper_server.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=lambda: bytearray(b"x") * {BLOCK_BYTES})
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
first = faults()
print(first, faults())
"""


def test_a_large_block_is_taken_anew_without_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=240)
    first, again = map(int, done.stdout.split())
    assert first > BLOCK_BYTES // PAGE_BYTES // 2
    assert again < BLOCK_BYTES // PAGE_BYTES // 100
