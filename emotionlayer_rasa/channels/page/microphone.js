// The microphone: asks for it, and hands out frames of 16-bit samples at the context's rate.

export class Microphone {
  /** @param onFrame called ten times a second with (ArrayBuffer of 16-bit samples, level 0..1) */
  constructor(context, onFrame, onEnded) {
    this.context = context;
    this.onFrame = onFrame;
    this.onEnded = onEnded;
  }

  get on() {
    return Boolean(this.stream);
  }

  /** Throws what getUserMedia throws: NotAllowedError, NotFoundError, ... */
  async start() {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    // Gain control and noise suppression would level out what the voice tells about the feeling.
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, autoGainControl: false, noiseSuppression: false },
    });
    if (!this.loaded) this.loaded = this.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    await this.loaded;
    this.stream = stream;
    stream.getAudioTracks()[0].addEventListener("ended", () => {
      this.stop();
      this.onEnded();
    });
    this.source = this.context.createMediaStreamSource(stream);
    this.frames = new AudioWorkletNode(this.context, "frames", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.frames.port.onmessage = ({ data }) => this.on && this.onFrame(data.samples, data.level);
    this.source.connect(this.frames);
  }

  stop() {
    if (!this.on) return;
    for (const track of this.stream.getTracks()) track.stop();
    this.source.disconnect();
    this.stream = null;
  }
}
