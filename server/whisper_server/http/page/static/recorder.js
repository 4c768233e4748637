// Runs in the browser's audio thread: gathers what the microphone hears into chunks of 100 ms.

class Recorder extends AudioWorkletProcessor {
  #chunk = new Int16Array(Math.round(sampleRate / 10));
  #filled = 0;
  #loudest = 0;

  process([[channel]]) {
    for (const sample of channel ?? []) this.#add(Math.max(-1, Math.min(1, sample)));
    return true;
  }

  #add(sample) {
    this.#chunk[this.#filled++] = Math.round(sample * 32767);
    this.#loudest = Math.max(this.#loudest, Math.abs(sample));
    if (this.#filled === this.#chunk.length) {
      this.port.postMessage({ samples: this.#chunk.slice().buffer, level: this.#loudest });
      this.#filled = this.#loudest = 0;
    }
  }
}

registerProcessor("recorder", Recorder);
