// The feed: a WebSocket that comes back by itself and picks up where it left.
import { api } from "./api.js";

const TYPES = "alert,incident,model_updated,status";
const PAUSE_FIRST_MS = 500;
const PAUSE_MOST_MS = 8000;
const LOGGED_OUT = 4001;

/** Tells `state` (connecting, live, lost), `event` (one from the sensor), `gap` (some are gone for good) and `over` (log in again). */
export class Feed extends EventTarget {
  state = "connecting";
  #last = null;
  #socket = null;
  #pause = PAUSE_FIRST_MS;
  #timer = 0;
  #ended = false;
  #lostAt = 0;

  /** Listens from event number `last` on, or from now on. */
  start(last) {
    this.#last = last ?? null;
    this.#connect();
    addEventListener("online", () => this.#hurry());
  }

  /** Listens no more. */
  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  /** The connection is known to be dead, though the browser has not noticed. */
  drop() {
    this.#socket?.close();
    this.#lose();
  }

  #connect() {
    const query = new URLSearchParams({ types: TYPES });
    if (this.#last !== null) query.set("since", this.#last);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws?${query}`);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (this.#socket !== socket) return;
      this.#pause = PAUSE_FIRST_MS;
      const away_ms = this.#lostAt ? Date.now() - this.#lostAt : 0;
      this.#lostAt = 0;
      this.#become("live", { away_ms });
    });
    socket.addEventListener("message", (message) => {
      if (this.#socket === socket) this.#hear(JSON.parse(message.data));
    });
    socket.addEventListener("close", (closed) => {
      if (this.#socket !== socket || this.#ended) return;
      if (closed.code === LOGGED_OUT) this.dispatchEvent(new Event("over"));
      else this.#lose();
    });
  }

  #hear(event) {
    if (event.type === "gap") {
      this.dispatchEvent(new Event("gap"));
      return;
    }
    // What was resent after a reconnection may have been seen.
    if (this.#last !== null && event.sequence <= this.#last) return;
    this.#last = event.sequence;
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  #lose() {
    if (this.#ended) return;
    this.#socket = null;
    this.#lostAt ||= Date.now();
    const wait_ms = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, PAUSE_MOST_MS);
    this.#become("lost", { since: this.#lostAt });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#retry(), wait_ms);
  }

  async #retry() {
    // A refused WebSocket does not say why; an ordinary request does.
    try {
      await api.session();
    } catch (refused) {
      if (refused.status === 401) this.dispatchEvent(new Event("over"));
      else this.#lose();
      return;
    }
    if (!this.#ended) this.#connect();
  }

  #hurry() {
    if (this.state !== "lost" || this.#ended) return;
    clearTimeout(this.#timer);
    this.#retry();
  }

  #become(state, detail) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, ...detail } }));
  }
}
