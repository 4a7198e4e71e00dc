// The websocket of a call. A lost connection is opened again with the same sender.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const UNSENT_BYTES = 1_000_000;

export class Call extends EventTarget {
  /**
   * Events: "status" (detail: "connecting", "open", "lost", "closed"), "news" (detail: an object of the server),
   * "audio" (detail: ArrayBuffer).
   */
  constructor(config, token) {
    super();
    this.config = config;
    this.token = token;
    this.wait = FIRST_WAIT_MS;
    this.wanted = false;
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Resolves when the server is ready to hear; rejects with {code, message} where it refuses the call. */
  connect() {
    if (this.ready) return Promise.resolve();
    this.wanted = true;
    this.opening ??= new Promise((resolve, reject) => {
      this.opened = resolve;
      this.refused = reject;
    });
    this.dial();
    return this.opening;
  }

  dial() {
    clearTimeout(this.timer);
    if (this.socket && this.socket.readyState < WebSocket.CLOSING) return;
    this.tell("status", "connecting");
    const address = new URL("stream", document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.hash = address.search = "";
    if (this.token) address.searchParams.set("token", this.token);
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.ready = false;
    this.lastError = null;
    socket.addEventListener("open", () => this.send({ config: this.config }));
    socket.addEventListener("message", ({ data }) => this.receive(data));
    socket.addEventListener("close", ({ code }) => this.closed(code, socket));
  }

  receive(data) {
    if (typeof data !== "string") return this.tell("audio", data);
    const news = JSON.parse(data);
    if (news.ready) {
      this.ready = true;
      this.wait = FIRST_WAIT_MS;
      this.config.sender = news.ready.sender;
      this.tell("status", "open");
      this.opened();
    }
    this.lastError = news.error;
    this.tell("news", news);
  }

  async closed(code, socket) {
    const wasReady = this.ready;
    this.ready = false;
    const error = this.lastError ?? (wasReady ? null : await this.refusal());
    if (socket !== this.socket) return; // dialled anew meanwhile
    if (!this.wanted) return this.tell("status", "closed");
    // 1008: the server ended the call and said why; another try would end the same way.
    if (code === 1008 || (error && !wasReady)) {
      this.end();
      if (this.opening) this.refused(error ?? {});
      else if (error) this.tell("news", { error }); // nobody waits for the call, all the more must be told why
      this.opening = null;
      return;
    }
    if (wasReady) this.opening = null; // who calls connect() now waits for the next one
    this.tell("status", "lost");
    this.timer = setTimeout(() => this.dial(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  /** Why the server does not open the call; browsers do not tell it of a websocket. */
  async refusal() {
    try {
      const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
      const answer = await fetch("stream", { headers, cache: "no-store" });
      return (await answer.json()).error ?? null;
    } catch {
      return null;
    }
  }

  /** Ends the call for good. */
  end() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.socket?.close();
    this.tell("status", "closed");
  }

  send(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  /** Sound that cannot be sent in time is dropped: late it would be of no use. */
  hear(samples) {
    if (this.open && this.ready && this.socket.bufferedAmount < UNSENT_BYTES) this.socket.send(samples);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
