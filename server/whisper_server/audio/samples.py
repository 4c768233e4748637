"""What everything behind the decoder works on."""

import numpy as np
import numpy.typing as npt

#: What Whisper takes, in Hz.
SAMPLE_RATE = 16_000

#: Mono samples at `SAMPLE_RATE`, from -1 to 1.
Samples = npt.NDArray[np.float32]
