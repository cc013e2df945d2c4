// A field of three coordinates that is above 1/2 inside of a solid: its surface, lit, from all sides.
//
// page.space: {low, high, centre, half, cells, stride, level}; the array "grid" has a bit for each cell that
// the surface may cross or that lies inside. page.camera: see OrbitCamera.

const BISECTIONS = 6;

class Solid {
  constructor(device, page, floats) {
    Object.assign(this, { device, page, samples: 8 });
    this.camera = new OrbitCamera(page.camera);
    this.evaluator = new Evaluator(device, page.network, floats);
    const grid = makeGrid(device, page.space.cells, unpack("grid", Uint8Array));
    this.march = new March(device, this.evaluator, this.camera, page.space, grid, ["state"]);
    const { level } = page.space;
    this.take = glslSolidTake(device.lanes, level);
    this.halve = glslSolidHalve(device.lanes, level);
    this.shade = glslSolidPaint(device.lanes);
    this.frame = new Frame(device, this, (points) => this.march.blockOf(points));
  }

  begin() {}

  *block(size, block, frame) {
    const { march, device, evaluator } = this;
    const { width, height } = block;
    march.reserve(width, height);
    const values = { ...march.uniforms(size, block, frame), offset: march.space.stride / 4 };
    let count = 0;
    for (const points of march.rounds(block, values, GLSL_SOLID_BEGIN, this.take)) {
      count += points;
      yield points;
    }
    this.samples = 0.9 * this.samples + 0.1 * (count / (width * height) + BISECTIONS + 4);
    for (let i = 0; i < BISECTIONS; ++i) {
      device.draw(GLSL_SOLID_MIDDLE, [march.room.points], [0, 0, width, height], march.kept, values);
      const found = evaluator.run(march.room.points, width, height);
      march.swap(this.halve, block, { ...march.kept, ...laneTextures(found) }, values);
      yield width * height;
    }
    device.draw(GLSL_SOLID_AROUND, [march.room.points], [0, 0, width, 4 * height], march.kept, values);
    const found = evaluator.run(march.room.points, width, 4 * height);
    device.draw(
      this.shade,
      [frame.picture],
      frame.region(block, size),
      { ...march.kept, ...laneTextures(found) },
      values,
    );
    yield 4 * width * height;
  }
}

// state: number of the next sample, distances outside and inside of the surface, whether the ray goes on.
const GLSL_SOLID_BEGIN = `
${glslMarch(false)}
out uvec4 state;
void main() {
  vec2 ends = crossing(rayOf(ivec2(gl_FragCoord.xy)));
  state = floatBitsToUint(vec4(0.0, 0.0, 0.0, ends.y > ends.x ? 1.0 : 0.0));
}`;

// The first sample inside; distances are in samples for now.
const glslSolidTake = (lanes, level) => `
${glslValue(lanes)}
uniform usampler2D state, points;
uniform ivec2 extent;
out uvec4 next;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  for (int s = 0; s < ${STACKED} && now.w != 0.0; ++s) {
    ivec2 place = ivec2(at.x, at.y + s * extent.y);
    uint number = texelFetch(points, place, 0).w;
    if (number == 0u) now.w = 0.0;
    else if (fieldValue(place).x > ${level.toFixed(6)}) {
      now = vec4(0.0, float(number) - 2.0, float(number) - 1.0, 0.0);
    }
    else now.x = float(number);
  }
  next = floatBitsToUint(now);
}`;

const GLSL_SOLID_PLACE = `
${glslMarch(false)}
uniform usampler2D state;
uniform vec3 unitCentre, unitHalf;
vec4 stateAt(ivec2 at) { return uintBitsToFloat(texelFetch(state, at, 0)); }
vec3 unitAt(ivec2 at, float k) {
  vec3 ray = rayOf(at);
  return (eye + ray * distanceOf(k, crossing(ray)) - unitCentre) / unitHalf;
}`;

const GLSL_SOLID_MIDDLE = `
${GLSL_SOLID_PLACE}
out uvec4 point;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 now = stateAt(at);
  point = uvec4(floatBitsToUint(unitAt(at, 0.5 * (now.y + now.z))), now.z > now.y ? 1u : 0u);
}`;

const glslSolidHalve = (lanes, level) => `
${glslValue(lanes)}
uniform usampler2D state;
out uvec4 next;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  float middle = 0.5 * (now.y + now.z);
  if (now.z > now.y) {
    if (fieldValue(at).x > ${level.toFixed(6)}) now.z = middle;
    else now.y = middle;
  }
  next = floatBitsToUint(now);
}`;

// The corners of a small tetrahedron about the surface, for the gradient.
const GLSL_TETRAHEDRON = `
vec3 cornerOf(int i) {
  return vec3[4](vec3(1, 1, 1), vec3(1, -1, -1), vec3(-1, 1, -1), vec3(-1, -1, 1))[i];
}`;

const GLSL_SOLID_AROUND = `
${GLSL_SOLID_PLACE}
${GLSL_TETRAHEDRON}
uniform float offset;
out uvec4 point;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int i = at.y / extent.y;
  at.y -= i * extent.y;
  vec4 now = stateAt(at);
  vec3 place = unitAt(at, now.z) + offset * cornerOf(i) / unitHalf;
  point = uvec4(floatBitsToUint(place), now.z > now.y ? 1u : 0u);
}`;

const glslSolidPaint = (lanes) => `
${glslValue(lanes)}
${GLSL_TETRAHEDRON}
uniform usampler2D state;
uniform mat3 axes;
vec3 levelPixel(ivec2 at);
${GLSL_SPREAD}
vec3 levelPixel(ivec2 at) {
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  if (now.z <= now.y) return vec3(0.086, 0.094, 0.106);
  vec3 inwards = vec3(0.0);
  for (int i = 0; i < 4; ++i) inwards += cornerOf(i) * fieldValue(at + ivec2(0, i * extent.y)).x;
  vec3 normal = -inwards / max(length(inwards), 1e-12);
  vec3 key = normalize(axes * vec3(-0.5, 0.8, 1.0));
  float light = max(dot(normal, key), 0.0);
  float sky = 0.5 + 0.5 * normal.z;
  float rim = pow(1.0 - abs(dot(normal, axes[2])), 3.0);
  vec3 around = mix(vec3(0.16, 0.13, 0.12), vec3(0.30, 0.33, 0.38), sky);
  vec3 colour = vec3(0.87, 0.80, 0.72) * (0.72 * light + around) + 0.10 * rim;
  return pow(clamp(colour, 0.0, 1.0), vec3(0.88));
}`;

VIEWERS.solid = (device, page, floats) => {
  const solid = new Solid(device, page, floats);
  const view = new OrbitView(solid);
  return {
    view,
    frame: solid.frame,
    evaluator: solid.evaluator,
    at: (...place) => valueAt(page.network, floats, place),
  };
};
