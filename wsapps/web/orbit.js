// A camera that goes around a target, z up, and the gestures that move it.
//
// home: {target: [x, y, z], azimuth, elevation (degrees), radius, angle (radians across the shorter side)}.
// Azimuth 0 is seen from +x and 90 from +y; the camera looks along its -z, x right, y up, as in wsapps_nerf.

class OrbitCamera {
  constructor(home) {
    this.home = home;
    this.reset();
  }

  reset() {
    Object.assign(this, { ...this.home, target: [...this.home.target] });
  }

  // Right, up and backward, the columns of the camera's rotation.
  get axes() {
    const [a, e] = [this.azimuth, this.elevation].map((degrees) => (degrees * Math.PI) / 180);
    const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
    return [
      [-sa, ca, 0],
      [-se * ca, -se * sa, ce],
      [ce * ca, ce * sa, se],
    ];
  }

  get eye() {
    return this.target.map((value, d) => value + this.radius * this.axes[2][d]);
  }

  turn(azimuth, elevation) {
    this.azimuth = (this.azimuth + azimuth) % 360;
    this.elevation = Math.max(-89.9, Math.min(89.9, this.elevation + elevation));
  }

  approach(factor) {
    this.radius = Math.max(this.home.radius * 1e-3, Math.min(this.home.radius * 20, this.radius / factor));
  }

  // Move the target across the view, in parts of the shorter side at its distance.
  slide(x, y) {
    const wide = 2 * this.radius * Math.tan(this.angle / 2);
    const [right, up] = this.axes;
    this.target = this.target.map((value, d) => value + wide * (x * right[d] + y * up[d]));
  }

  // What shaders need of it, for a picture of width x height; see GLSL_RAY.
  uniforms(width, height) {
    return {
      eye: this.eye,
      axes: this.axes.flat(),
      middle: [width / 2, height / 2],
      focal: (0.5 * Math.min(width, height)) / Math.tan(this.angle / 2),
    };
  }
}

// The ray of a pixel of a block: corner and size are those of GLSL_SPREAD.
const GLSL_RAY = `
uniform vec3 eye;
uniform mat3 axes;
uniform vec2 middle;
uniform float focal;
vec3 rayThrough(vec2 pixel) {
  return normalize(axes * vec3((pixel.x - middle.x) / focal, (middle.y - pixel.y) / focal, -1.0));
}`;

class OrbitView {
  constructor(painter) {
    this.painter = painter;
    this.canvas = painter.device.canvas;
    painter.frame.onprogress = ui.progress;
    const camera = painter.camera;
    listen(this.canvas, {
      drag: (dx, dy, { pan }) => this.drag(dx, dy, pan),
      zoom: (factor) => this.change(() => camera.approach(factor)),
      keys: this.keys(),
    });
    ui.button("plus", "Nearer (+)", () => this.change(() => camera.approach(1.3)));
    ui.button("minus", "Farther (−)", () => this.change(() => camera.approach(1 / 1.3)));
    ui.button("whole", "First view (0)", () => this.change(() => camera.reset()));
    this.spinner = ui.button("turn", "Turn by itself (space)", () => this.spin());
    ui.button("screen", "Full screen (F)", toggleFullScreen);
    addEventListener("resize", () => {
      if (!fitCanvas(this.canvas)) return;
      painter.frame.resize();
      painter.frame.restart();
    });
    addEventListener("hashchange", () => this.goToAddress());
    this.goToAddress();
  }

  keys() {
    const camera = this.painter.camera;
    const turn = (x, y) => (event) =>
      this.change(() => (event.shiftKey ? camera.slide(0.05 * x, 0.05 * y) : camera.turn(7.5 * x, 7.5 * y)));
    const near = () => this.change(() => camera.approach(1.1));
    return {
      ...COMMON_KEYS,
      ArrowLeft: turn(-1, 0),
      ArrowRight: turn(1, 0),
      ArrowUp: turn(0, 1),
      ArrowDown: turn(0, -1),
      "+": near,
      "=": near,
      "-": () => this.change(() => camera.approach(1 / 1.1)),
      0: () => this.change(() => camera.reset()),
      Home: () => this.change(() => camera.reset()),
      " ": () => this.spin(),
    };
  }

  drag(dx, dy, pan) {
    const camera = this.painter.camera;
    const side = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    this.change(() => {
      if (pan) camera.slide(-dx / side, dy / side);
      else camera.turn((-180 * dx) / side, (180 * dy) / side);
    });
  }

  change(move) {
    move();
    const { target, azimuth, elevation, radius } = this.painter.camera;
    address.write({ azimuth, elevation, radius, x: target[0], y: target[1], z: target[2] });
    this.painter.frame.restart();
    this.showPlace();
  }

  showPlace() {
    const { azimuth, elevation, radius, target } = this.painter.camera;
    const turned = `azimuth ${digits(azimuth, 1)}°  elevation ${digits(elevation, 1)}°`;
    const around = target.map((value) => digits(value, 0.01)).join(", ");
    ui.scale(`${turned}  distance ${radius.toPrecision(3)}  around (${around})`);
  }

  spin() {
    this.spinning = !this.spinning;
    this.spinner.setAttribute("aria-pressed", String(this.spinning));
    let before = performance.now();
    const step = (now) => {
      if (!this.spinning) return;
      // A new view only when something of the last one has been seen.
      if (!this.painter.frame.slices.fence && this.painter.frame.coarseDone) {
        this.change(() => this.painter.camera.turn((Math.min(200, now - before) * 30) / 1000, 0));
        before = now;
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  goToAddress() {
    const { azimuth, elevation, radius, x, y, z } = address.read();
    const camera = this.painter.camera;
    if (radius > 0) {
      camera.reset();
      camera.turn(
        (azimuth ?? camera.azimuth) - camera.azimuth,
        (elevation ?? camera.elevation) - camera.elevation,
      );
      camera.radius = radius;
      camera.target = [x, y, z].map((value, d) => value ?? camera.target[d]);
    }
    this.painter.frame.restart();
    this.showPlace();
  }
}
