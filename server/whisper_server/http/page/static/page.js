// The page: what is pressed and dropped, and what is shown of it. Text of others is only ever set as text.
import { Conversation, ServerError } from "./conversation.js";
import { Microphone, microphoneTrouble } from "./microphone.js";
import { Transcript, clock } from "./transcript.js";

const find = (id) => document.getElementById(id);
const transcript = new Transcript(find("result"));

// What to do about an error of the server, by its code or type; its own sentence says what is wrong.
const NEXT_STEPS = {
  invalid_request_error: "Try another recording, or convert this one to WAV, FLAC or MP3.",
  server_error: "Try again. If it fails again, tell whoever runs this server.",
  invalid_api_key: "Give a token that this server knows, then try again.",
  rate_limit_exceeded: "Wait a moment, then try again.",
  unavailable: "Try again in a moment: another server may take it.",
  request_too_large: "Send a shorter recording, or one that is compressed.",
  deadline_exceeded: "Send a shorter recording, or try again when the server has less to do.",
  request_timeout: "Try again over a faster connection.",
  foreign_page: "Open this page at the server's own address.",
};

let limits = { maxUploadBytes: Infinity };
let running = null; // The conversation, while there is one.
let microphone = null; // Open while somebody speaks.
let starter = null; // What was pressed to begin, which has the focus again in the end.

function say(text) {
  find("status").textContent = text;
}

function complain(sentence, nextStep) {
  const [box, what, next] = ["div", "strong", "span"].map((name) => document.createElement(name));
  what.textContent = sentence;
  next.textContent = nextStep;
  box.append(what, next);
  find("alert").replaceChildren(box);
  box.scrollIntoView({ block: "nearest" });
  say(""); // What was said before is over.
}

function complainOf(error) {
  if (error instanceof ServerError) {
    if (error.code === "invalid_api_key") askForToken();
    complain(asSentence(error.message), NEXT_STEPS[error.code] ?? NEXT_STEPS.server_error);
  } else {
    complain(error.message, error.nextStep ?? "Load this page again, then try once more.");
  }
}

function asSentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function askForToken() {
  find("access").hidden = false;
  find("token").focus();
}

// What the server tells of its model; it needs a token where the server asks for one.
async function loadModel() {
  const token = find("token").value.trim();
  const answer = await fetch("page/model", { headers: token ? { Authorization: `Bearer ${token}` } : {}, cache: "no-store" });
  const body = await answer.json();
  if (!answer.ok) throw new ServerError(body.error);
  limits = body;
  find("model").textContent = `Its model is called ${body.name}.`;
  const options = body.languages.map(({ code, name }) => new Option(name, code));
  find("language").replaceChildren(new Option("Detect", ""), ...options);
  find("task-choice").hidden = !body.translates;
  if (!body.listens) forbidSpeech("This server writes down files only: it is set to take no live streams.");
}

function forbidSpeech(reason) {
  find("speak").disabled = true;
  find("speak-note").hidden = false;
  find("speak-note").textContent = reason;
}

async function begin() {
  try {
    await loadModel();
  } catch (error) {
    if (error.code !== "invalid_api_key") return complainOf(asTrouble(error));
    find("access").hidden = false;
    say("This server asks for a token.");
  }
}

// What fetch throws says nothing to a person.
function asTrouble(error) {
  if (error instanceof ServerError) return error;
  const trouble = new Error("The server does not answer.");
  trouble.nextStep = "Check that it is running and that you can reach it, then load this page again.";
  return trouble;
}

async function useToken(event) {
  event.preventDefault();
  find("alert").replaceChildren();
  try {
    await loadModel();
    find("access").hidden = true;
    say("The server knows this token.");
    find("choose").focus();
  } catch (error) {
    complainOf(asTrouble(error));
  }
}

// Shows what can be pressed now. Who uses the keyboard goes on where they are.
function show(busy) {
  const focused = document.activeElement;
  const moves = find(busy ? "idle" : "busy").contains(focused);
  if (busy) starter = moves ? focused : find("choose");
  find("idle").hidden = find("drop-text").hidden = busy;
  find("options").hidden = busy;
  find("busy").hidden = !busy;
  find("source").classList.toggle("busy", busy);
  if (moves) (busy ? find("stop") : starter).focus();
}

// Runs one conversation from its beginning to its end.
async function converse(wish, announcement, send) {
  if (running) return;
  find("alert").replaceChildren();
  transcript.clear();
  find("clock").textContent = "";
  find("level").hidden = wish.audio !== "speech";
  const token = find("token").value.trim();
  const conversation = new Conversation({ ...wish, token, language: find("language").value, task: find("task").value });
  running = conversation;
  show(true);
  say(announcement);
  try {
    await conversation.open();
    const [seconds] = await Promise.all([conversation.listen(hear), send(conversation)]);
    say(`Done: ${clock(seconds)} of audio${transcript.isEmpty ? ", in which nothing was said" : ""}.`);
  } catch (error) {
    if (conversation.isCancelled) say("Stopped.");
    else complainOf(error);
  } finally {
    conversation.cancel();
    microphone?.close();
    microphone = running = null;
    transcript.interim("");
    show(false);
  }
}

function hear(message) {
  if (message.type === "segment") transcript.add(message);
  else if (message.type === "interim") transcript.interim(message.text);
  else if (message.type === "language") transcript.spokenIn(message);
  else if (message.type === "progress") find("clock").textContent = howFar(message.seconds);
}

function howFar(seconds) {
  return microphone ? `${clock(seconds)} heard` : `${clock(seconds)} heard, ${clock(transcript.end)} written down`;
}

function transcribe(file) {
  if (file.size > limits.maxUploadBytes) {
    const most = (limits.maxUploadBytes / 2 ** 20).toFixed();
    complain(`${file.name} is larger than the ${most} MiB that this server takes.`, NEXT_STEPS.request_too_large);
    return;
  }
  converse({ audio: "file" }, `Listening to ${file.name}…`, (conversation) => conversation.sendFile(file));
}

async function speak() {
  if (running) return;
  find("alert").replaceChildren();
  let opened;
  try {
    opened = await Microphone.open();
  } catch (error) {
    complain(...microphoneTrouble(error));
    return;
  }
  if (running) {
    opened.close(); // Something else began while the browser asked for permission.
    return;
  }
  microphone = opened;
  const wish = { audio: "speech", sampleRate: microphone.sampleRate };
  await converse(wish, "Listening to you. Press Stop when you have finished.", (conversation) =>
    microphone.send(conversation, (level) => find("level").style.setProperty("--level", level)),
  );
}

// The first time while somebody speaks, what was said until then is written down; else all ends at once.
function stop() {
  if (microphone?.isOpen) {
    microphone.close();
    say("Writing down the last words. Press Stop again to do without them.");
  } else {
    running?.cancel();
  }
}

async function copy(text, name) {
  if (await isCopied(text)) say(`Copied ${name}.`);
  else complain("The browser did not let this page copy.", "Mark the transcript, and copy it by hand.");
}

async function isCopied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return isCopiedTheOldWay(text);
  }
}

// Pages that come neither over https nor from this machine have no clipboard but this.
function isCopiedTheOldWay(text) {
  const [focused, area] = [document.activeElement, document.createElement("textarea")];
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

function dropping() {
  const over = (isOver) => find("drop").classList.toggle("over", isOver && !running);
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // Else the browser would open the file in place of this page.
    over(true);
  });
  document.addEventListener("dragleave", (event) => over(event.relatedTarget !== null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    const file = event.dataTransfer.files[0];
    if (file && !running) transcribe(file);
  });
}

function wire() {
  find("token-form").addEventListener("submit", useToken);
  find("choose").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", ({ target }) => {
    const file = target.files[0];
    if (file) transcribe(file);
    target.value = ""; // So that the same one can be chosen again.
  });
  find("speak").addEventListener("click", speak);
  find("stop").addEventListener("click", stop);
  find("copy-text").addEventListener("click", () => copy(transcript.text, "the text"));
  find("copy-srt").addEventListener("click", () => copy(transcript.srt, "the SRT"));
  dropping();
  if (!Microphone.isThere) {
    forbidSpeech(
      "To speak, open this page over https:// or at http://localhost (kubectl port-forward brings it there): " +
        "browsers give other pages no microphone.",
    );
  }
}

wire();
begin();
