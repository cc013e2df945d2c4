// The curve of a sound, and what the page does when the visitor does something.

class SoundView {
  constructor(sound) {
    this.sound = sound;
    this.canvas = element("canvas");
    this.paint = this.canvas.getContext("2d");
    this.player = new Player(sound, () => this.stopped());
    this.view = { start: 0, end: sound.seconds };
    sound.onready = () => this.redraw();
    listen(this.canvas, {
      drag: (dx) => this.drag(dx),
      zoom: (factor, x) => this.zoom(factor, x / this.canvas.clientWidth),
      hover: (x) => this.hover(x),
      leave: () => ui.readout(""),
      keys: this.keys(),
    });
    this.canvas.addEventListener("pointerdown", (event) => (this.pressed = event.clientX));
    this.canvas.addEventListener("pointerup", (event) => {
      if (Math.abs(event.clientX - this.pressed) < 4) this.seek(this.timeAt(event.offsetX));
    });
    this.playing = ui.button("play", "Play or pause (space)", () => this.toggle());
    ui.button("plus", "Zoom in (+)", () => this.zoom(2, 0.5));
    ui.button("minus", "Zoom out (−)", () => this.zoom(1 / 2, 0.5));
    ui.button("whole", "All of it (0)", () => this.reset());
    addEventListener("resize", () => fitCanvas(this.canvas) && this.redraw());
    addEventListener("hashchange", () => this.goToAddress());
    this.goToAddress();
  }

  keys() {
    return {
      ...COMMON_KEYS,
      " ": () => this.toggle(),
      ArrowLeft: () => this.drag(this.canvas.clientWidth / 10),
      ArrowRight: () => this.drag(-this.canvas.clientWidth / 10),
      "+": () => this.zoom(1.5, 0.5),
      "=": () => this.zoom(1.5, 0.5),
      "-": () => this.zoom(1 / 1.5, 0.5),
      0: () => this.reset(),
      Home: () => this.reset(),
    };
  }

  get span() {
    return this.view.end - this.view.start;
  }

  timeAt(x) {
    return this.view.start + (x / this.canvas.clientWidth) * this.span;
  }

  show(start, span) {
    span = Math.max(1e-9, Math.min(this.sound.seconds, span));
    start = Math.max(0, Math.min(this.sound.seconds - span, start));
    this.view = { start, end: start + span };
    address.write({ start, seconds: span });
    this.redraw();
  }

  drag(dx) {
    this.show(this.view.start - (dx / this.canvas.clientWidth) * this.span, this.span);
  }

  zoom(factor, part) {
    const span = Math.max(1e-9, Math.min(this.sound.seconds, this.span / factor));
    this.show(this.view.start + part * (this.span - span), span);
  }

  reset() {
    this.show(0, this.sound.seconds);
  }

  goToAddress() {
    const { start, seconds } = address.read();
    if (seconds > 0) this.show(start ?? 0, seconds);
    else this.reset();
  }

  seek(time) {
    const { player } = this;
    if (player.playing) player.play(time);
    else player.time = time;
    this.redraw();
  }

  toggle() {
    if (this.player.playing) return this.player.pause();
    this.player.play();
    ui.label(this.playing, "pause");
    const follow = () => {
      this.redraw();
      if (this.player.playing) requestAnimationFrame(follow);
    };
    follow();
  }

  stopped() {
    ui.label(this.playing, "play");
    this.redraw();
  }

  hover(x) {
    const time = this.timeAt(x);
    const step = this.span / this.canvas.clientWidth;
    const values = valueAt(this.sound.page.network, this.sound.floats, [this.sound.coordinate(time)]);
    ui.readout(`${digits(time, step)} s   ${[...values].map((value) => value.toFixed(3)).join("  ")}`);
  }

  redraw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  draw() {
    const { paint, canvas, sound } = this;
    const rows = sound.channels.length;
    const ratio = canvas.width / canvas.clientWidth;
    paint.fillStyle = "#16181b";
    paint.fillRect(0, 0, canvas.width, canvas.height);
    const perPixel = (this.span * sound.rate) / canvas.width;
    const curve = perPixel < 2 ? this.curve() : null;
    for (let c = 0; c < rows; ++c) {
      const middle = (canvas.height * (c + 0.5)) / rows;
      const high = (0.46 * canvas.height) / rows;
      paint.fillStyle = "#2a2e34";
      paint.fillRect(0, middle - 0.5 * ratio, canvas.width, ratio);
      paint.fillStyle = paint.strokeStyle = "#8ab4ff";
      if (curve) this.drawCurve(curve, c, middle, high, 1.5 * ratio);
      else this.drawEnvelope(sound.channels[c], perPixel, middle, high);
    }
    paint.fillStyle = "#ffd166";
    const needle = ((this.player.now - this.view.start) / this.span) * canvas.width;
    paint.fillRect(needle - ratio, 0, 2 * ratio, canvas.height);
    const done = sound.ready.reduce((sum, value) => sum + value, 0) / sound.ready.length;
    ui.progress(1, done);
    const time = `${this.player.now.toFixed(2)} of ${sound.seconds.toFixed(2)} s`;
    ui.scale(`${time}   ${magnification(sound.seconds / this.span)}`);
  }

  // The field itself at every pixel: between its samples too.
  curve() {
    const { width } = this.canvas;
    const [, rows] = this.sound.evaluator.block(width);
    return this.sound.evaluate(this.view.start, this.span / width, Math.ceil(width / rows), rows);
  }

  drawCurve(values, c, middle, high, thick) {
    const { paint, canvas } = this;
    paint.lineWidth = thick;
    paint.lineJoin = "round";
    paint.beginPath();
    for (let x = 0; x < canvas.width; ++x)
      paint.lineTo(x, middle - high * Math.max(-1, Math.min(1, values[4 * x + c])));
    paint.stroke();
  }

  // The least and the greatest of the samples that share a pixel; nothing where they are not there yet.
  drawEnvelope(samples, perPixel, middle, high) {
    const { paint, canvas, sound } = this;
    for (let x = 0; x < canvas.width; ++x) {
      const first = Math.floor(this.view.start * sound.rate + x * perPixel);
      if (!sound.ready[Math.min(sound.ready.length - 1, Math.floor(first / sound.perPiece))]) continue;
      let [low, top] = [1, -1];
      for (let i = first; i < Math.min(samples.length, first + perPixel + 1); ++i) {
        low = Math.min(low, samples[i]);
        top = Math.max(top, samples[i]);
      }
      paint.fillRect(x, middle - high * top, 1, Math.max(1, high * (top - low)));
    }
  }
}

VIEWERS.sound = (device, page, floats) => {
  const sound = new Sound(device, page, floats);
  const view = new SoundView(sound);
  const at = (time) => valueAt(page.network, floats, [sound.coordinate(time)]);
  return { view, sound, frame: sound, evaluator: sound.evaluator, at };
};
