// A field of time as a sound: its curve, zoomed without end, and playing through Web Audio.
//
// page.signal: {samples, rate, scale, channels, amplitude}. Sample k of n has the coordinate
// -scale + 2 scale k / (n - 1); the field's values are amplitudes divided by `amplitude`.

const PIECE = 0.25; // seconds of sound that are handed to Web Audio at once
const [SLOWEST, FASTEST] = [8000, 96000]; // Hz that every Web Audio takes

class Sound {
  constructor(device, page, floats) {
    const { signal } = page;
    Object.assign(this, { device, page, floats, signal });
    this.evaluator = new Evaluator(device, page.network, floats);
    this.seconds = signal.samples / signal.rate;
    this.rate = Math.max(SLOWEST, Math.min(FASTEST, signal.rate));
    this.count = Math.max(2, Math.round(this.seconds * this.rate));
    this.channels = Array.from({ length: signal.channels }, () => new Float32Array(this.count));
    this.ready = new Uint8Array(Math.ceil(this.seconds / PIECE)); // pieces whose samples are there
    this.perPiece = Math.ceil(this.count / this.ready.length);
    this.from = 0; // the piece that is wanted first
    this.onready = () => {};
    this.slices = new Slices(device, () => this.onready());
    this.slices.start(this.steps());
  }

  // The coordinate of a time in seconds; the last sample lies at seconds - 1 / rate.
  coordinate(time) {
    const { samples, rate, scale } = this.signal;
    return -scale + (2 * scale * time * rate) / (samples - 1);
  }

  *steps() {
    for (;;) {
      const piece = this.nextPiece();
      if (piece < 0) return;
      const [first, last] = [piece * this.perPiece, Math.min(this.count, (piece + 1) * this.perPiece)];
      for (let start = first; start < last;) {
        const [width, height] = this.evaluator.block(Math.min(this.slices.budget, 2 ** 14, last - start));
        const values = this.evaluate(start / this.rate, 1 / this.rate, width, height);
        const stop = Math.min(last, start + width * height);
        this.channels.forEach((samples, c) => {
          for (let i = start; i < stop; ++i) samples[i] = values[4 * (i - start) + c];
        });
        start = stop;
        yield width * height;
      }
      this.ready[piece] = 1;
    }
  }

  nextPiece() {
    const after = this.ready.indexOf(0, this.from);
    return after >= 0 ? after : this.ready.indexOf(0);
  }

  // Values at width * height times from `start` on, `step` seconds apart: four a time.
  evaluate(start, step, width, height) {
    const half = (width * height) / 2;
    this.evaluator.setCentre(() => [this.coordinate(start + half * step)]);
    const { samples, rate, scale } = this.signal;
    const points = this.device.texture(width, height);
    this.device.draw(
      GLSL_TIMES,
      [points],
      [0, 0, width, height],
      {},
      {
        width: ints(width),
        middle: half,
        pace: (2 * scale * step * rate) / (samples - 1),
      },
    );
    const values = this.evaluator.read(this.evaluator.run(points, width, height), width, height);
    this.device.free([points]);
    return values;
  }

  finish() {
    this.slices.finish();
  }
}

const GLSL_TIMES = `
uniform int width;
uniform float middle, pace;
out uvec4 point;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  point = uvec4(floatBitsToUint((float(at.y * width + at.x) - middle) * pace), 0u, 0u, 1u);
}`;
