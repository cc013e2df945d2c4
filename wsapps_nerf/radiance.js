// A radiance field, seen by a camera that goes around it: emission and absorption along every pixel's ray.
//
// page.space: {low, high: the box; centre, half: the cube that the field sees as [-1, 1]^3; cells, stride, near,
// far, contracted, density: "softplus" or "exp", background}; the array "grid" has a bit for each occupied cell,
// "colours" the colours of depths. The network's four values are red, green and blue before the sigmoid, and the
// raw density. page.camera: see OrbitCamera.

const SECONDS_APART = 2; // of the views that a visitor keeps
const CLEAR = 0.001; // of the light behind a point; less is not looked for

class Radiance {
  constructor(device, page, floats) {
    Object.assign(this, { device, page, samples: 12, shown: "colour" });
    const { space } = page;
    this.camera = new OrbitCamera(page.camera);
    this.evaluator = new Evaluator(device, page.network, floats);
    const grid = makeGrid(device, space.cells, unpack("grid", Uint8Array));
    this.march = new March(device, this.evaluator, this.camera, space, grid, ["state", "light"]);
    this.colours = device.palette(unpack("colours", Uint8Array));
    this.start = glslRadianceBegin(space);
    this.take = glslRadianceTake(device.lanes, space);
    this.paint = glslRadiancePaint(space);
    this.frame = new Frame(device, this, (points) => this.march.blockOf(points));
  }

  begin() {}

  *block(size, block, frame) {
    const { march, device, camera } = this;
    march.reserve(block.width, block.height);
    const values = march.uniforms(size, block, frame);
    let count = 0;
    for (const points of march.rounds(block, values, this.start, this.take, true)) {
      count += points;
      yield points;
    }
    this.samples = 0.9 * this.samples + 0.1 * Math.max(1, count / (block.width * block.height));
    const reach = march.space.contracted ? [0, 2 * camera.radius] : this.depths();
    const shown = { ...values, depths: reach, depth: this.shown === "depth" ? 1 : 0 };
    device.draw(
      this.paint,
      [frame.picture],
      frame.region(block, size),
      { ...march.kept, colours: this.colours },
      shown,
    );
    yield block.width * block.height;
  }

  // Between which distances depths are coloured.
  depths() {
    const { low, high } = this.march.space;
    const reach = Math.hypot(...low.map((value, d) => high[d] - value)) / 4;
    return [Math.max(0, this.camera.radius - reach), this.camera.radius + reach];
  }
}

// state: number of the next sample, light that comes through, sum of weighted distances, whether it goes on.
// light: red, green and blue so far.
const glslRadianceBegin = (space) => `
${glslMarch(space.contracted)}
layout(location = 0) out uvec4 state;
layout(location = 1) out uvec4 light;
void main() {
  vec2 ends = crossing(rayOf(ivec2(gl_FragCoord.xy)));
  state = floatBitsToUint(vec4(0.0, 1.0, 0.0, ends.y > ${space.contracted ? "0.0" : "ends.x"} ? 1.0 : 0.0));
  light = uvec4(0u);
}`;

const DENSITIES = {
  softplus: "raw > 20.0 ? raw : log(1.0 + exp(min(raw, 20.0)))",
  exp: "exp(min(raw, 10.0))",
};

const glslRadianceTake = (lanes, space) => `
${glslMarch(space.contracted)}
${glslValue(lanes)}
uniform usampler2D state, light, points;
layout(location = 0) out uvec4 nextState;
layout(location = 1) out uvec4 nextLight;
float densityOf(float raw) { return ${DENSITIES[space.density]}; }
float shrinkage(vec3 position) { return 1.0 / max(dot(position, position), 1.0); }
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  vec4 sum = uintBitsToFloat(texelFetch(light, at, 0));
  vec3 ray = rayOf(at);
  vec2 ends = crossing(ray);
  for (int s = 0; s < ${STACKED} && now.w != 0.0; ++s) {
    ivec2 place = ivec2(at.x, at.y + s * extent.y);
    uint number = texelFetch(points, place, 0).w;
    if (number == 0u) {
      now.w = 0.0;
      break;
    }
    float k = float(number) - 1.0;
    vec4 value = fieldValue(place);
    float t = distanceOf(k, ends);
    float thick = densityOf(value.w) * ${
      space.contracted ? "shrinkage(eye + ray * t) * (edgeOf(k + 1.0, ends) - edgeOf(k, ends))" : "stride"
    };
    float through = exp(-thick);
    float weight = now.y * (1.0 - through);
    sum.xyz += weight / (1.0 + exp(-value.xyz));
    now = vec4(k + 1.0, now.y * through, now.z + weight * t, now.y * through > ${CLEAR} ? 1.0 : 0.0);
  }
  nextState = floatBitsToUint(now);
  nextLight = floatBitsToUint(sum);
}`;

const glslRadiancePaint = (space) => `
uniform usampler2D state, light;
uniform sampler2D colours;
uniform vec2 depths;
uniform float depth;
vec3 levelPixel(ivec2 at) {
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  vec3 behind = now.y * vec3(${space.background});
  if (depth < 0.5) return clamp(uintBitsToFloat(texelFetch(light, at, 0).xyz) + behind, 0.0, 1.0);
  if (now.y > 0.5) return vec3(1.0);
  float place = clamp((now.z / (1.0 - now.y) - depths.x) / (depths.y - depths.x), 0.0, 1.0);
  return texelFetch(colours, ivec2(int(255.0 * place + 0.5), 0), 0).xyz;
}
${GLSL_SPREAD}`;

// Views that the visitor keeps, as a camera path for `python -m wsapps_nerf.render path=camera_path.json`.
class CameraPath {
  constructor(radiance) {
    this.radiance = radiance;
    this.keyframes = [];
  }

  keep() {
    const { camera } = this.radiance;
    this.keyframes.push({
      time: SECONDS_APART * this.keyframes.length,
      position: camera.eye,
      target: camera.target,
    });
    ui.readout(`${this.keyframes.length} view${this.keyframes.length > 1 ? "s" : ""} kept for a camera path`);
    if (this.keyframes.length === 2)
      ui.button("save path", "Save the kept views as camera_path.json (S)", () => this.save());
  }

  // The file: the canvas's shape, and its horizontal field of view.
  document() {
    const { width, height } = this.radiance.frame;
    const { focal } = this.radiance.camera.uniforms(width, height);
    const fov = (2 * Math.atan(width / 2 / focal) * 180) / Math.PI;
    return { fps: 30, width, height, fov_degrees: fov, keyframes: this.keyframes };
  }

  save() {
    if (this.keyframes.length < 2) return ui.readout("keep two views at least (K)");
    const link = document.createElement("a");
    const file = new Blob([JSON.stringify(this.document(), null, 1)], { type: "application/json" });
    link.href = URL.createObjectURL(file);
    link.download = "camera_path.json";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

class RadianceView extends OrbitView {
  constructor(radiance) {
    super(radiance);
    this.path = new CameraPath(radiance);
    this.show = ui.choice(
      [
        ["colour", "Colours (D)"],
        ["depth", "Distances (D)"],
      ],
      "colour",
      (shown) => {
        radiance.shown = shown;
        radiance.frame.restart();
      },
    );
    ui.button("keep view", "Keep this view for a camera path (K)", () => this.path.keep());
  }

  keys() {
    return {
      ...super.keys(),
      d: () => this.show(this.painter.shown === "colour" ? "depth" : "colour"),
      k: () => this.path.keep(),
      s: () => this.path.save(),
    };
  }
}

VIEWERS.radiance = (device, page, floats) => {
  const radiance = new Radiance(device, page, floats);
  return { view: new RadianceView(radiance), frame: radiance.frame, evaluator: radiance.evaluator, radiance };
};
