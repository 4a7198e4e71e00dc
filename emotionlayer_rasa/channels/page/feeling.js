// The feeling as it unfolds: plane of valence and arousal, state, scores, prosody.

import { texts } from "./texts.js";

const EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"];
const TRAIL = 12;
const SIZE = 200;

const byId = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

const place = ({ valence, arousal }) => [valence * SIZE, (1 - arousal) * SIZE];
const known = (reading) => typeof reading?.valence === "number" && typeof reading?.arousal === "number";

export class Feeling {
  constructor() {
    this.points = [];
    this.bars = {};
    this.buildPlane();
    this.buildScores();
    this.prosody(null);
    this.clear(texts.nothing_yet);
  }

  /** A new turn of the caller: the next state gets a point of its own. */
  turn() {
    this.newTurn = true;
  }

  /** A reading of the voice or of the words; `live`: while the caller still speaks. */
  emotion(emotion, words, live) {
    byId("live").hidden = !live;
    byId("scores").classList.toggle("is-live", live);
    for (const name of EMOTIONS) {
      const voice = emotion.scores?.[name] ?? null;
      const word = live ? undefined : (words?.emotion.scores?.[name] ?? null);
      const bar = this.bars[name];
      if (!live || voice !== null) bar.voice.style.width = `${100 * (voice ?? 0)}%`;
      if (word !== undefined) bar.words.style.width = `${100 * (word ?? 0)}%`;
      const shown = voice ?? word;
      if (shown != null) bar.number.textContent = `${Math.round(100 * shown)} %`;
    }
    if (live && known(emotion)) this.move(this.glimpse, emotion);
    this.glimpse.toggleAttribute("hidden", !live);
    this.glimpse.style.visibility = live && known(emotion) ? "visible" : "hidden";
  }

  /** Measurements of the voice, as the server names them; null where there are none. */
  prosody(measured) {
    const rows = Object.entries(texts.measures).map(([key, [name, unit]]) => {
      let value = measured?.[key];
      if (typeof value === "number" && key === "pause_ratio") value *= 100;
      const digits = ["pitch_hz", "energy_db", "pause_ratio"].includes(key) ? 0 : 1;
      const shown = typeof value === "number" ? value.toFixed(digits).replace("-", "−") : "–";
      return make("div", {}, make("dt", {}, name), make("dd", {}, shown, make("small", {}, ` ${unit}`)));
    });
    byId("prosody").replaceChildren(...rows);
  }

  /** What voice and words mean together, or the memory's view of it. */
  state(state) {
    if (state.state && state.state !== "unknown") {
      byId("state").textContent = texts.states[state.state] ?? state.state;
      byId("state").append(make("small", {}, ` ${Math.round(100 * state.confidence)} %`));
      byId("state").classList.remove("empty");
      byId("strategy").textContent = texts.strategies[state.strategy] ?? state.strategy;
      byId("reasons").replaceChildren(...state.reasons.map((reason) => make("li", {}, reason)));
      byId("why").hidden = !state.reasons.length;
    } else if (state.state === "unknown") {
      this.unclear();
    }
    if (state.trend) byId("trend").textContent = texts[state.trend] ?? state.trend;
    if (typeof state.priority === "number") {
      byId("priority").textContent = `${Math.round(state.priority)} `;
      byId("priority").append(make("small", {}, texts.of_100));
    }
    if (known(state)) this.addPoint(state);
  }

  /** Nothing is known (any more). */
  clear(reason) {
    this.points = [];
    this.drawTrail();
    byId("state").textContent = reason;
    byId("state").classList.add("empty");
    for (const id of ["strategy", "trend", "priority"]) byId(id).textContent = "–";
    for (const { voice, words, number } of Object.values(this.bars)) {
      voice.style.width = words.style.width = "0";
      number.textContent = "–";
    }
    byId("why").hidden = byId("live").hidden = true;
    this.glimpse.style.visibility = "hidden";
    this.prosody(null);
  }

  unclear() {
    byId("state").textContent = texts.states.unknown;
    byId("state").classList.add("empty");
    byId("strategy").textContent = "–";
    byId("why").hidden = true;
  }

  addPoint(state) {
    const point = { valence: state.valence, arousal: state.arousal };
    if (this.newTurn || !this.points.length) this.points = [...this.points, point].slice(-TRAIL);
    else this.points[this.points.length - 1] = point;
    this.newTurn = false;
    this.drawTrail();
  }

  buildPlane() {
    const plane = byId("plane");
    const middle = SIZE / 2;
    plane.append(
      draw("rect", { class: "field", width: SIZE, height: SIZE, rx: 14 }),
      draw("path", { class: "axes", d: `M${middle} 8V${SIZE - 8}M8 ${middle}H${SIZE - 8}` }),
      draw("text", { x: middle, y: -7, "text-anchor": "middle" }, texts.excited),
      draw("text", { x: middle, y: SIZE + 16, "text-anchor": "middle" }, texts.calm),
      draw("text", { x: -7, y: middle, "text-anchor": "middle", transform: `rotate(-90 -7 ${middle})` }, texts.unpleasant),
      draw("text", { x: SIZE + 7, y: middle, "text-anchor": "middle", transform: `rotate(90 ${SIZE + 7} ${middle})` }, texts.pleasant),
    );
    this.trail = draw("g", { class: "trail" });
    this.glimpse = draw("circle", { class: "glimpse", r: 8 });
    plane.append(this.trail, this.glimpse);
    this.glimpse.style.visibility = "hidden";
  }

  drawTrail() {
    const { points } = this;
    const parts = [];
    points.forEach((point, index) => {
      const age = points.length - 1 - index;
      const opacity = Math.max(0.18, 1 - age * 0.16);
      const [x, y] = place(point);
      if (index) {
        const [x1, y1] = place(points[index - 1]);
        parts.push(draw("line", { x1, y1, x2: x, y2: y, opacity }));
      }
      parts.push(draw("circle", { cx: x, cy: y, r: age ? 3.5 : 8, opacity, class: age ? "past" : "latest" }));
    });
    this.trail.replaceChildren(...parts);
    const latest = points.at(-1);
    byId("plane").setAttribute(
      "aria-label",
      latest
        ? `${texts.valence} ${latest.valence.toFixed(2)}, ${texts.arousal} ${latest.arousal.toFixed(2)}`
        : `${texts.valence}, ${texts.arousal}: ${texts.nothing_yet}`,
    );
  }

  move(circle, reading) {
    const [x, y] = place(reading);
    circle.style.transform = `translate(${x}px, ${y}px)`;
  }

  buildScores() {
    for (const name of EMOTIONS) {
      const voice = make("span", { class: "voice" });
      const words = make("span", { class: "words" });
      const number = make("span", { class: "number" }, "–");
      const track = make("span", { class: "track", "aria-hidden": "true" }, voice, words);
      const row = make("li", { "data-emotion": name }, make("span", { class: "name" }, texts.emotions[name]), track, number);
      this.bars[name] = { voice, words, number };
      byId("scores").append(row);
    }
  }
}
