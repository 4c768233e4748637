// The WebSocket to the server: a wish, then audio, then "end" one way; messages with what was said the other way.

const CHUNK_BYTES = 64 * 1024;
// The server reads as fast as its model works; so much may wait in the browser meanwhile.
const MOST_WAITING_FILE = 1024 * 1024;
const MOST_WAITING_SPEECH = 4 * 1024 * 1024;
const LOOK_AGAIN_MS = 50;

// What the server says is wrong, in the shape of its HTTP errors.
export class ServerError extends Error {
  constructor({ message, type, code }) {
    super(message);
    this.code = code ?? type;
  }
}

function trouble(sentence, nextStep) {
  return Object.assign(new Error(sentence), { nextStep });
}

export class Conversation {
  #wish;
  #socket = null;
  #giveUp = () => {}; // Ends what is waited for.
  #hasEnded = false;
  isCancelled = false;

  constructor(wish) {
    this.#wish = wish;
  }

  open() {
    const address = new URL("page/talk", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(address));
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      socket.onopen = () => {
        socket.send(JSON.stringify(this.#wish));
        resolve();
      };
      socket.onclose = () =>
        reject(
          trouble(
            "The server did not take the connection.",
            "Check that it is running. A proxy in front of it must let WebSockets through and pass on the Host header.",
          ),
        );
    });
  }

  // Calls `hear` with each message, and returns the seconds of audio once all is said.
  listen(hear) {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.error) reject(new ServerError(message.error));
        else if (message.type === "end") resolve(message.seconds);
        else hear(message);
      };
      socket.onclose = () =>
        reject(trouble("The connection to the server broke before all was said.", "Check that the server is running, then try again."));
    });
  }

  async sendFile(file) {
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      const chunk = await read(file.slice(at, at + CHUNK_BYTES));
      if (!this.#isOpen) return;
      this.#socket.send(chunk);
      while (this.#isOpen && this.#socket.bufferedAmount > MOST_WAITING_FILE) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    }
    this.end();
  }

  sendSamples(samples) {
    if (!this.#isOpen || this.#hasEnded) return; // The audio thread may be a chunk ahead of who stops it.
    if (this.#socket.bufferedAmount > MOST_WAITING_SPEECH) {
      throw trouble("The connection is too slow for speech.", "Record it, and give the file to this page.");
    }
    this.#socket.send(samples);
  }

  // Says that no more audio comes.
  end() {
    this.#hasEnded = true;
    if (this.#isOpen) this.#socket.send("end");
  }

  cancel() {
    this.isCancelled = true;
    this.#socket?.close(); // Which takes as long as the server takes to agree.
    this.#giveUp(new Error("Stopped."));
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }
}

async function read(part) {
  try {
    return await part.arrayBuffer();
  } catch {
    throw trouble("The browser could not read the file.", "It may have changed or gone meanwhile: choose it again.");
  }
}
