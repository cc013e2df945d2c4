// Turning and zooming a globe: what the page does when the visitor does something.

class GlobeView {
  constructor(globe) {
    this.globe = globe;
    this.canvas = globe.device.canvas;
    globe.frame.onprogress = ui.progress;
    listen(this.canvas, {
      drag: (dx, dy) => this.drag(dx, dy),
      zoom: (factor) => this.zoom(factor),
      hover: (x, y) => this.hover(x, y),
      leave: () => ui.readout(""),
      keys: this.keys(),
    });
    this.show = ui.choice(
      [
        ["globe", "A globe (M)"],
        ["map", "A map of latitudes and longitudes (M)"],
      ],
      "globe",
      (shape) => {
        globe.shape = shape;
        this.reset();
      },
    );
    ui.button("plus", "Zoom in (+)", () => this.zoom(2));
    ui.button("minus", "Zoom out (−)", () => this.zoom(1 / 2));
    ui.button("whole", "All of it (0)", () => this.reset());
    ui.button("screen", "Full screen (F)", toggleFullScreen);
    addEventListener("resize", () => {
      if (!fitCanvas(this.canvas)) return;
      globe.frame.resize();
      if (globe.untouched) globe.fit();
      this.redraw();
    });
    addEventListener("hashchange", () => this.goToAddress());
    this.legend();
    this.goToAddress();
  }

  keys() {
    const pan = (x, y) => () =>
      this.drag((-x * this.canvas.clientWidth) / 12, (-y * this.canvas.clientHeight) / 12);
    return {
      ...COMMON_KEYS,
      ArrowLeft: pan(-1, 0),
      ArrowRight: pan(1, 0),
      ArrowUp: pan(0, -1),
      ArrowDown: pan(0, 1),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.reset(),
      Home: () => this.reset(),
      m: () => this.show(this.globe.shape === "globe" ? "map" : "globe"),
      g: () => {
        this.globe.lines = !this.globe.lines;
        this.redraw();
      },
    };
  }

  get ratio() {
    return this.canvas.width / this.canvas.clientWidth;
  }

  drag(dx, dy) {
    const { view, shape } = this.globe;
    const degrees = this.ratio / view.zoom / RADIAN;
    const shrink = shape === "globe" ? Math.max(0.2, Math.cos(view.latitude * RADIAN)) : 1;
    view.latitude = Math.max(-90, Math.min(90, view.latitude + dy * degrees));
    view.longitude = wrapped(view.longitude - (dx * degrees) / shrink);
    this.changed();
  }

  zoom(factor) {
    const { view, fitting } = this.globe;
    view.zoom = Math.max(fitting / 2, Math.min(1e12, view.zoom * factor));
    this.changed();
  }

  reset() {
    this.globe.fit();
    this.redraw();
  }

  changed() {
    const { latitude, longitude, zoom } = this.globe.view;
    this.globe.untouched = false;
    address.write({ latitude, longitude, zoom: zoom / this.ratio, map: Number(this.globe.shape === "map") });
    this.redraw();
  }

  redraw() {
    this.globe.frame.restart();
    ui.scale(magnification(this.globe.view.zoom / this.globe.fitting));
  }

  goToAddress() {
    const { latitude, longitude, zoom, map } = address.read();
    if (map !== undefined) this.show(map ? "map" : "globe");
    if (zoom > 0) {
      const { view } = this.globe;
      this.globe.view = {
        latitude: latitude ?? view.latitude,
        longitude: longitude ?? view.longitude,
        zoom: zoom * this.ratio,
      };
      this.globe.untouched = false;
    }
    this.redraw();
  }

  // The value in physical units.
  physical(value) {
    const { low, high, units } = this.globe.page.signal;
    return `${(low + (high - low) * value).toPrecision(5)}${units ? ` ${units}` : ""}`;
  }

  hover(x, y) {
    const place = this.globe.placeAt(x * this.ratio, y * this.ratio);
    if (!place) return ui.readout("");
    const step = 1 / this.globe.view.zoom / RADIAN;
    const [latitude, longitude] = place.map((value) => digits(Math.abs(value), step));
    const where = `${latitude}° ${place[0] < 0 ? "S" : "N"}  ${longitude}° ${place[1] < 0 ? "W" : "E"}`;
    ui.readout(`${where}   ${[...this.globe.at(...place)].map((v) => this.physical(v)).join("  ")}`);
  }

  legend() {
    if (this.globe.page.network.outputs === 3) return;
    const bytes = unpack("colours", Uint8Array);
    const stops = Array.from({ length: 16 }, (_, i) => `rgb(${bytes.subarray(51 * i, 51 * i + 3).join()})`);
    ui.legend(`linear-gradient(90deg, ${stops.join()})`, this.physical(0), this.physical(1));
  }
}

VIEWERS.globe = (device, page, floats) => {
  const globe = new Globe(device, page, floats);
  return {
    view: new GlobeView(globe),
    frame: globe.frame,
    evaluator: globe.evaluator,
    at: (...place) => globe.at(...place),
  };
};
