// Spoken replies: pieces of 16-bit samples, played one right after the other.

const REPORT_EVERY_MS = 250;
const HEAD_START_S = 0.06;

export class Player {
  /** @param report called with {id, seconds} while a reply is heard, and {id, done: true} at its end */
  constructor(context, report, onChange) {
    this.context = context;
    this.report = report;
    this.onChange = onChange;
    this.volume = context.createGain();
    this.volume.connect(context.destination);
    this.replies = [];
    this.next = 0;
  }

  get speaking() {
    return this.replies.length > 0;
  }

  set muted(muted) {
    this.volume.gain.value = muted ? 0 : 1;
  }

  /** What the binary messages that follow belong to, or that a reply is complete. */
  announce(speech) {
    let reply = this.replies.find(({ id }) => id === speech.id);
    if (!reply) {
      if (speech.end) return;
      reply = { id: speech.id, pieces: [], complete: false };
      this.replies.push(reply);
    }
    if (speech.end) reply.complete = true;
    else this.current = { reply, rate: speech.sample_rate };
    this.timer ??= setInterval(() => this.tell(), REPORT_EVERY_MS);
    this.onChange();
  }

  play(data) {
    if (!this.current) return;
    const { reply, rate } = this.current;
    const samples = new Int16Array(data);
    if (!samples.length) return;
    const buffer = this.context.createBuffer(1, samples.length, rate);
    const channel = buffer.getChannelData(0);
    samples.forEach((sample, index) => (channel[index] = sample / 32768));
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.volume);
    // On whole samples, so that nothing clicks where two pieces meet.
    const earliest = this.context.currentTime + HEAD_START_S;
    if (this.next < this.context.currentTime) this.next = Math.ceil(earliest * rate) / rate;
    source.start(this.next);
    reply.pieces.push({ source, start: this.next, end: this.next + buffer.duration });
    this.next += buffer.duration;
  }

  /** Be silent at once. */
  stop() {
    for (const { pieces } of this.replies) for (const { source } of pieces) source.stop();
    this.replies = [];
    this.current = null;
    this.next = 0;
    this.tell();
  }

  tell() {
    const heard = this.context.currentTime - (this.context.outputLatency || 0);
    while (this.replies.length) {
      const [{ id, pieces, complete }] = this.replies;
      if (complete && (!pieces.length || heard >= pieces.at(-1).end)) {
        this.report({ id, done: true });
        this.replies.shift();
        continue;
      }
      const seconds = pieces.reduce((sum, { start, end }) => sum + Math.max(0, Math.min(heard, end) - start), 0);
      if (seconds) this.report({ id, seconds: Number(seconds.toFixed(2)) });
      return;
    }
    clearInterval(this.timer);
    this.timer = null;
    this.onChange();
  }
}
