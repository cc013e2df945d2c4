// Panning and zooming over a plane: what the page does when the visitor does something.

class PlaneView {
  constructor(plane) {
    this.plane = plane;
    this.canvas = plane.device.canvas;
    this.rest = [0, 0]; // parts of canvas pixels that a drag still owes
    plane.frame.onprogress = ui.progress;
    listen(this.canvas, {
      drag: (dx, dy) => this.drag(dx, dy),
      zoom: (factor, x, y) => this.zoom(factor, x * this.ratio, y * this.ratio),
      hover: (x, y) => this.hover(x, y),
      leave: () => ui.readout(""),
      keys: this.keys(),
    });
    ui.button("plus", "Zoom in (+)", () => this.zoomMiddle(2));
    ui.button("minus", "Zoom out (−)", () => this.zoomMiddle(1 / 2));
    ui.button("whole", "Whole picture (0)", () => this.reset());
    ui.button("screen", "Full screen (F)", toggleFullScreen);
    addEventListener("resize", () => this.resize());
    addEventListener("hashchange", () => this.goToAddress());
    this.plane.fit();
    this.goToAddress();
  }

  get ratio() {
    return this.canvas.width / this.canvas.clientWidth;
  }

  keys() {
    const pan = (x, y) => () =>
      this.drag((-x * this.canvas.clientWidth) / 10, (-y * this.canvas.clientHeight) / 10);
    return {
      ...COMMON_KEYS,
      ArrowLeft: pan(-1, 0),
      ArrowRight: pan(1, 0),
      ArrowUp: pan(0, -1),
      ArrowDown: pan(0, 1),
      "+": () => this.zoomMiddle(1.5),
      "=": () => this.zoomMiddle(1.5),
      "-": () => this.zoomMiddle(1 / 1.5),
      0: () => this.reset(),
      Home: () => this.reset(),
    };
  }

  // Move by whole canvas pixels, so that what is on the screen stays sharp.
  drag(dx, dy) {
    const { view } = this.plane;
    const wanted = [dx * this.ratio + this.rest[0], dy * this.ratio + this.rest[1]];
    const [x, y] = wanted.map(Math.round);
    this.rest = [wanted[0] - x, wanted[1] - y];
    view.x -= x / view.zoom;
    view.y -= y / view.zoom;
    this.changed({ scale: 1, x: -x, y: -y });
  }

  zoom(factor, x, y) {
    const { view } = this.plane;
    const zoom = Math.max(this.plane.fitting / 4, Math.min(1e12, view.zoom * factor));
    factor = zoom / view.zoom;
    // The place under (x, y) stays there.
    view.x += ((x - this.canvas.width / 2) / view.zoom) * (1 - 1 / factor);
    view.y += ((y - this.canvas.height / 2) / view.zoom) * (1 - 1 / factor);
    view.zoom = zoom;
    this.changed({ scale: 1 / factor, x: x * (1 - 1 / factor), y: y * (1 - 1 / factor) });
  }

  zoomMiddle(factor) {
    this.zoom(factor, this.canvas.width / 2, this.canvas.height / 2);
  }

  reset() {
    this.plane.fit();
    this.redraw();
  }

  resize() {
    if (!fitCanvas(this.canvas)) return;
    this.plane.frame.resize();
    if (this.plane.untouched) this.plane.fit();
    this.redraw();
  }

  changed(moved) {
    this.plane.untouched = false;
    const { view } = this.plane;
    address.write({ x: view.x, y: view.y, zoom: view.zoom / this.ratio });
    this.plane.frame.restart(moved);
    this.showScale();
  }

  redraw() {
    this.plane.frame.restart();
    this.showScale();
  }

  goToAddress() {
    const { x, y, zoom } = address.read();
    if (zoom > 0) {
      this.plane.view = { x: x ?? this.plane.view.x, y: y ?? this.plane.view.y, zoom: zoom * this.ratio };
      this.plane.untouched = false;
    }
    this.redraw();
  }

  showScale() {
    const { zoom } = this.plane.view;
    const pixels = magnification(zoom).slice(0, -1);
    ui.scale(
      `${magnification(zoom / this.plane.fitting)} · a pixel of the picture is ${pixels} of the screen's`,
    );
  }

  hover(x, y) {
    const { plane, ratio, canvas } = this;
    const at = [
      plane.view.x + (x * ratio - canvas.width / 2) / plane.view.zoom,
      plane.view.y + (y * ratio - canvas.height / 2) / plane.view.zoom,
    ];
    const inside = at.every(
      (value, d) => value >= -0.5 && value <= [plane.signal.width, plane.signal.height][d] - 0.5,
    );
    const step = 1 / plane.view.zoom;
    const values = inside ? [...plane.at(...at)].map((value) => value.toFixed(3)).join("  ") : "outside";
    ui.readout(`x ${digits(at[0], step)}   y ${digits(at[1], step)}   ${values}`);
  }
}

// Of a film: a slider for time, and playing.
class Film extends PlaneView {
  constructor(plane) {
    super(plane);
    this.slider = ui.slider("Time", -1, 1, -1, (time) => this.show(time));
    this.player = ui.button("play", "Play or pause (space)", () => this.toggle());
  }

  keys() {
    return { ...super.keys(), " ": () => this.toggle() };
  }

  show(time) {
    this.plane.time = time;
    this.slider.value = time;
    this.plane.frame.restart();
    ui.readout(`${(((time + 1) / 2) * this.plane.signal.seconds).toFixed(2)} s`);
  }

  toggle() {
    this.playing = !this.playing;
    ui.label(this.player, this.playing ? "pause" : "play");
    let before = performance.now();
    const step = (now) => {
      if (!this.playing) return;
      // A new moment only when something of the last one has been seen.
      if (!this.plane.frame.slices.fence) {
        const time = this.plane.time + (2 * (now - before)) / 1000 / this.plane.signal.seconds;
        before = now;
        this.show(time > 1 ? -1 : time);
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

VIEWERS.plane = (device, page, floats) => {
  const plane = new Plane(device, page, floats);
  const view = plane.film ? new Film(plane) : new PlaneView(plane);
  return { view, frame: plane.frame, evaluator: plane.evaluator, at: (...place) => plane.at(...place) };
};
