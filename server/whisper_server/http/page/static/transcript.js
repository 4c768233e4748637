// What was said, as it is shown and copied.

const NEAR_PIXELS = 80;

export class Transcript {
  #section;
  #segments = [];

  constructor(section) {
    this.#section = section;
  }

  get isEmpty() {
    return this.#segments.length === 0;
  }

  // Up to which second all is written down.
  get end() {
    return this.#segments.at(-1)?.sentences.at(-1)?.end ?? 0;
  }

  get text() {
    return this.#segments.flatMap(({ sentences }) => sentences.map(({ text }) => `${text}\n`)).join("");
  }

  get srt() {
    return this.#segments.map(({ srt }) => srt).join("");
  }

  clear() {
    this.#segments = [];
    this.#find("#sentences").replaceChildren();
    this.#find("#spoken").textContent = "";
    this.interim("");
    this.#section.hidden = true;
  }

  add(segment) {
    this.#segments.push(segment);
    const lines = segment.sentences.map((sentence) => line(sentence, segment.language));
    this.#grow(() => this.#find("#sentences").append(...lines));
  }

  // Shows what an utterance may turn out to be.
  interim(text) {
    const show = () => (this.#find("#interim").textContent = text);
    if (text) this.#grow(show);
    else show();
  }

  spokenIn({ name }) {
    this.#find("#spoken").textContent = name;
  }

  // Keeps what is newest in sight for whoever reads at the end; who has scrolled back is left there.
  #grow(change) {
    const root = document.documentElement;
    const isAtEnd = root.scrollHeight - root.clientHeight - root.scrollTop < NEAR_PIXELS;
    change();
    this.#section.hidden = false;
    if (isAtEnd) root.scrollTop = root.scrollHeight;
  }

  #find(selector) {
    return this.#section.querySelector(selector);
  }
}

function line(sentence, language) {
  const [item, time, text] = ["li", "span", "span"].map((name) => document.createElement(name));
  time.className = "time";
  time.textContent = `${clock(sentence.start, 1)} – ${clock(sentence.end, 1)}`;
  text.className = "text";
  text.textContent = sentence.text;
  // For screen readers' voices, and for scripts from right to left.
  text.lang = language;
  text.dir = "auto";
  item.append(time, " ", text);
  return item;
}

// Returns seconds as a clock shows them: 1:02:03.4, with so many digits behind the point.
export function clock(seconds, digits = 0) {
  const factor = 10 ** digits;
  const whole = Math.floor(seconds * factor) / factor;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
