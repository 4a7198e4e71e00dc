// Runs in the audio thread: what the microphone gives becomes frames of 16-bit samples, ten a second.

class Frames extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 10);
    this.frame = new Int16Array(this.size);
    this.filled = 0;
    this.energy = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.energy += clipped * clipped;
      this.frame[this.filled++] = clipped * 32767;
      if (this.filled === this.size) this.send();
    }
    return true;
  }

  send() {
    const level = Math.sqrt(this.energy / this.filled);
    this.port.postMessage({ samples: this.frame.buffer, level }, [this.frame.buffer]);
    this.frame = new Int16Array(this.size);
    this.filled = this.energy = 0;
  }
}

registerProcessor("frames", Frames);
