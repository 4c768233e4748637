// The microphone: samples of 16 bits, in one channel, as they come.

const SAMPLE_RATE = 16000;
// How long the browser's sound may take to start. Firefox waits for ever where there is nothing to play it.
const PATIENCE_MS = 5000;

export class Microphone {
  #stream;
  #context;
  #recorder;
  #closed;
  #resolve;
  #reject;
  isOpen = true;

  constructor() {
    this.#closed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  // False where browsers give no page the microphone: neither https nor this machine.
  static get isThere() {
    return Boolean(navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode);
  }

  static async open() {
    // Whisper has learned from raw recordings: what is made for calls between people takes away more than it gives.
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const microphone = new Microphone();
    try {
      await inTime(microphone.#connect(stream));
      return microphone;
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      microphone.#context?.close().catch(() => {}); // It may be closed already.
      throw error;
    }
  }

  async #connect(stream) {
    this.#stream = stream;
    let source;
    try {
      this.#context = new AudioContext({ sampleRate: SAMPLE_RATE });
      source = this.#context.createMediaStreamSource(stream);
    } catch {
      // Firefox does not resample a microphone: the server does it then.
      await this.#context?.close();
      this.#context = new AudioContext();
      source = this.#context.createMediaStreamSource(stream);
    }
    await this.#context.audioWorklet.addModule("page/recorder.js");
    this.#recorder = new AudioWorkletNode(this.#context, "recorder", { numberOfOutputs: 0 });
    source.connect(this.#recorder);
    await this.#context.resume(); // Safari may begin with a pause.
    // Somebody pulled the plug, or took the permission back.
    stream.getTracks()[0].onended = () => this.close();
  }

  get sampleRate() {
    return this.#context.sampleRate;
  }

  // Sends what is spoken until this is closed, and tells its loudness, from 0 to 1.
  async send(conversation, tellLevel) {
    this.#recorder.port.onmessage = ({ data }) => {
      try {
        conversation.sendSamples(data.samples);
        tellLevel(data.level);
      } catch (error) {
        this.#reject(error);
      }
    };
    await this.#closed;
    tellLevel(0);
    conversation.end();
  }

  // Again without effect: Firefox refuses to close a context that it is closing.
  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#stream.getTracks().forEach((track) => track.stop());
    this.#context.close();
    this.#resolve();
  }
}

async function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("The sound does not start.", "TimeoutError")), PATIENCE_MS);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Returns what is wrong and what to do about it.
export function microphoneTrouble(error) {
  switch (error.name) {
    case "NotAllowedError":
      return [
        "The browser did not let this page use the microphone.",
        "Allow it for this page, beside its address or in the system's settings, then press Speak again.",
      ];
    case "NotFoundError":
      return ["There is no microphone.", "Connect one, then press Speak again; or choose a file."];
    case "NotReadableError":
      return ["The microphone cannot be used now.", "End other programs that use it, then press Speak again."];
    case "TimeoutError":
      return [
        "The browser's sound does not start.",
        "Connect loudspeakers or headphones, without which some browsers do not record, then press Speak again; or choose a file.",
      ];
    default:
      return ["The microphone does not work here.", `Choose a file instead. The browser says: ${error.message}`];
  }
}
