// The line to the server: gradio's documented HTTP API (/gradio_api/call/NAME, /gradio_api/upload), asked by
// ourselves. Gradio's own events go through a channel that reloads the page once it was cut, and say nothing
// when a question was not taken; here every question ends with an answer or with what kept it away.

/** @typedef {import("../protocol.js").Answer} Said */
/** @typedef {import("./patience.js").Trouble} Trouble */
/** What is heard besides answers: a sign of life, and that none will come.
 * @typedef {{ kind: "alive", seq: number, question?: number } | { kind: "trouble", seq: number, question?: number, why: Trouble }} Sign */
/** @typedef {{ signal?: AbortSignal, sent?: (share: number) => void }} Sending */
/** Where questions go: a line, or what stands for it. address: false where the window's address belongs to somebody else; asked: what
 * it would ask for; fixed: there is one answer, and nothing to point at.
 * @typedef {{ props: { config: import("../protocol.js").Config, value: Said | Sign | null }, trigger: (event: string, data: object) => void,
 *   watch: (name: string, listener: () => void) => void, upload: (file: File, sending?: Sending) => Promise<{ path: string }>,
 *   address?: boolean, asked?: string, fixed?: boolean }} Host */

/** Why something could not be sent; with words where trying again would not help. */
export class SendingError extends Error {
  /** @param {Trouble} why @param {string} [words] */
  constructor(why, words = "") {
    super(words || why);
    this.why = why;
    this.words = words;
  }
}

export class Line {
  /** @param {string} root the address that the page is served under, ending in "/" @param {import("../protocol.js").Config} config */
  constructor(root, config) {
    this.root = root;
    /** @type {{ config: import("../protocol.js").Config, value: Said | Sign | null }} */
    this.props = { config, value: null };
    /** @type {(() => void)[]} */
    this.listeners = [];
    /** Questions that are on their way. @type {Map<number, AbortController>} */
    this.flights = new Map();
    this.count = 0;
  }

  /** @param {string} _name @param {() => void} listener */
  watch(_name, listener) { this.listeners.push(listener); }

  /** The numbers of a server begin anew with it: each value gets one of ours. @param {any} value */
  say(value) {
    this.props.value = { ...value, seq: ++this.count };
    this.listeners.forEach((listener) => listener());
  }

  /** Ask, or end a question that was asked. @param {string} event @param {any} data with the number of its question */
  trigger(event, data) {
    const { question } = data;
    this.flights.get(question)?.abort();
    this.flights.delete(question);
    if (event !== "cancel") void this.carry(event, data);
  }

  /** @param {string} event @param {{ question: number }} data */
  async carry(event, data) {
    const { question } = data, flight = new AbortController();
    this.flights.set(question, flight);
    let why = /** @type {Trouble | ""} */ ("");
    try {
      const id = await this.post(event, data, flight.signal);
      const whole = await this.stream(`${event}/${id}`, question, flight.signal);
      if (!whole) why = "lost";
    } catch (error) { why = error instanceof SendingError ? error.why : "lost"; }
    if (flight.signal.aborted) return;
    this.flights.delete(question);
    if (why) this.say({ kind: "trouble", question, why });
  }

  /** @param {string} event @param {object} data @param {AbortSignal} signal @returns {Promise<string>} the number that gradio gives it */
  async post(event, data, signal) {
    const response = await fetch(`${this.root}gradio_api/call/${event}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data: [data] }), signal,
    });
    if (!response.ok) throw new SendingError(whyOf(response.status, await response.text()));
    return (await response.json()).event_id;
  }

  /** Hear what is said until it is complete. @param {string} path @param {number} question @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether it came to its end */
  async stream(path, question, signal) {
    const response = await fetch(`${this.root}gradio_api/call/${path}`, { signal });
    if (!response.ok || !response.body) throw new SendingError(whyOf(response.status, ""));
    const reader = response.body.getReader(), decoder = new TextDecoder();
    let rest = "", last = -1;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return false;
      const messages = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = /** @type {string} */ (messages.pop());
      for (const { event, data } of messages.map(readMessage)) {
        if (event === "error") return false;
        const [answer] = Array.isArray(data) ? data : [];
        // The last answer of a series comes twice: as the next one, and as its end.
        if (answer && answer.seq !== last && !signal.aborted) this.say(answer);
        else this.say({ kind: "alive", question });
        last = answer ? answer.seq : last;
        if (event === "complete") return Boolean(answer);
      }
    }
  }

  /** Send a file; XMLHttpRequest is what says how far it is. @param {File} file @param {Sending} [sending] @returns {Promise<{ path: string }>} */
  upload(file, { signal, sent = () => {} } = {}) {
    const request = new XMLHttpRequest(), form = new FormData();
    form.append("files", file);
    return new Promise((resolve, reject) => {
      const lost = () => reject(new SendingError("lost"));
      request.upload.onprogress = ({ loaded, total }) => sent(total ? loaded / total : 0);
      request.onload = () => {
        const path = request.status === 200 ? pathIn(request.responseText) : "";
        if (path) resolve({ path });
        else reject(new SendingError(whyOf(request.status, request.responseText), refusedFile(request.status, file.name)));
      };
      request.onerror = lost;
      request.onabort = lost;
      signal?.addEventListener("abort", () => request.abort());
      request.open("POST", `${this.root}gradio_api/upload`);
      request.send(form);
    });
  }
}

/** A message of an event stream. @param {string} text */
function readMessage(text) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  try { return { event: fields.event, data: JSON.parse(fields.data) }; } catch { return { event: "error", data: null }; }
}

/** @param {number} status of HTTP @param {string} words @returns {Trouble} */
function whyOf(status, words) {
  if (status === 401 || status === 403) return "refused";
  return status === 429 || (status === 503 && words.includes("full")) ? "full" : "lost";
}

/** Why the server will not take a file at a second try either; "" where it may. @param {number} status @param {string} name */
function refusedFile(status, name) {
  if (status === 413) return `${name} is larger than the server takes; save it smaller.`;
  return status === 400 ? `${name} could not be read by the server; choose it again.` : "";
}

/** @param {string} text */
function pathIn(text) {
  try { return String(JSON.parse(text)[0]); } catch { return ""; }
}
