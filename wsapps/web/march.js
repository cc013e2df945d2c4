// Marching along rays through a box, from sample to sample where a grid of cells says there may be something.
//
// Samples lie in the middles of steps of equal length from where a ray enters the box, as in
// wsapps_nerf/sampling.py: sample k at distance enter + (k + 1/2) stride.

const STACKED = 4; // samples of a ray that one round evaluates

// bits: a byte of 8 cells of a grid of [x, y, z] of them, x fastest, lowest bit first.
function makeGrid(device, cells, bits) {
  const count = cells[0] * cells[1] * cells[2];
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; ++i) bytes[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return device.texture3d(cells, bytes);
}

const GLSL_BOX = `
// Distances at which a ray enters and leaves the box; it misses where the second is not the greater.
vec2 crossing(vec3 ray) {
  vec3 inverse = 1.0 / mix(ray, vec3(1e-12), lessThan(abs(ray), vec3(1e-12)));
  vec3 a = (low - eye) * inverse, b = (high - eye) * inverse;
  vec3 first = min(a, b), second = max(a, b);
  float enter = max(max(first.x, first.y), first.z), leave = min(min(second.x, second.y), second.z);
  return vec2(max(enter, near), min(leave, far));
}

vec3 placeOf(vec3 position) { return position; }
float edgeOf(float k, vec2 ends) { return ends.x + k * stride; }
float distanceOf(float k, vec2 ends) { return ends.x + (k + 0.5) * stride; }

// The first sample from k on that lies in an occupied cell; -1 where there is none.
float nextSample(float k, vec3 ray, vec2 ends) {
  ivec3 cells = textureSize(grid, 0);
  vec3 perUnit = vec3(cells) / (high - low);
  vec3 from = (eye - low) * perUnit, along = ray * perUnit;
  for (int jump = 0; jump < 2048; ++jump) {
    float t = distanceOf(k, ends);
    if (t >= ends.y) break;
    vec3 at = from + along * t;
    ivec3 cell = clamp(ivec3(at), ivec3(0), cells - 1);
    if (texelFetch(grid, cell, 0).x != 0u) return k;
    // On to the first sample behind this cell.
    vec3 safe = mix(along, vec3(1e-9), lessThan(abs(along), vec3(1e-9)));
    vec3 walls = (vec3(cell) + step(0.0, along) - at) / safe;
    float leave = min(min(walls.x, walls.y), walls.z);
    k += max(1.0, ceil(leave / stride));
  }
  return -1.0;
}`;

// All of space inside a ball of radius 2, as mip-NeRF 360 contracts it; samples are evenly spaced up to the
// distance \`far\`, and in its inverse beyond (wsapps_nerf/contraction.py). The box holds contracted space.
const GLSL_CONTRACTED = `
vec2 crossing(vec3 ray) { return vec2(near, floor((2.0 * far - near) / stride - 1.5)); }
vec3 placeOf(vec3 position) {
  float radius = max(length(position), 1.0);
  return position * ((2.0 - 1.0 / radius) / radius);
}
float edgeOf(float k, vec2 ends) {
  float s = near + k * stride;
  return s <= far ? s : far * far / (2.0 * far - s);
}
float distanceOf(float k, vec2 ends) { return 0.5 * (edgeOf(k, ends) + edgeOf(k + 1.0, ends)); }
float nextSample(float k, vec3 ray, vec2 ends) {
  ivec3 cells = textureSize(grid, 0);
  for (; k < ends.y; k += 1.0) {
    vec3 at = (placeOf(eye + ray * distanceOf(k, ends)) - low) * vec3(cells) / (high - low);
    if (texelFetch(grid, clamp(ivec3(at), ivec3(0), cells - 1), 0).x != 0u) return k;
  }
  return -1.0;
}`;

const glslMarch = (contracted) => `
${GLSL_RAY}
uniform ivec2 corner, extent;
uniform float size, stride, near, far;
uniform vec3 low, high;
uniform usampler3D grid;
vec3 rayOf(ivec2 at) { return rayThrough((vec2(corner + at) + 0.5) * size); }
${contracted ? GLSL_CONTRACTED : GLSL_BOX}`;

// The samples of the next round, STACKED pictures one over the other; w is the sample's number plus 1.
// Stands on \`state\`, whose x is the next sample's number and whose w says whether the ray goes on.
const glslAdvance = (contracted) => `
${glslMarch(contracted)}
uniform usampler2D state;
uniform vec3 unitCentre, unitHalf; // the box that the field sees as [-1, 1]^3
out uvec4 point;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int turn = at.y / extent.y;
  at.y -= turn * extent.y;
  point = uvec4(0u);
  vec4 now = uintBitsToFloat(texelFetch(state, at, 0));
  if (now.w == 0.0) return;
  vec3 ray = rayOf(at);
  vec2 ends = crossing(ray);
  float k = now.x - 1.0;
  for (int i = 0; i <= turn; ++i) {
    k = nextSample(k + 1.0, ray, ends);
    if (k < 0.0) return;
  }
  vec3 position = (placeOf(eye + ray * distanceOf(k, ends)) - unitCentre) / unitHalf;
  point = uvec4(floatBitsToUint(position), uint(k) + 1u);
}`;

// Directions of view, for all samples of a ray.
const glslDirections = (contracted) => `
${glslMarch(contracted)}
out uvec4 direction;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  direction = uvec4(floatBitsToUint(rayOf(ivec2(at.x, at.y % extent.y))), 0u);
}`;

// Whether any of 8 x 8 rays goes on, for few texels to read back.
const GLSL_ACTIVE = `
uniform usampler2D state;
uniform ivec2 extent;
out uvec4 going;
void main() {
  ivec2 first = 8 * ivec2(gl_FragCoord.xy);
  bool some = false;
  for (int y = first.y; y < min(first.y + 8, extent.y); ++y)
    for (int x = first.x; x < min(first.x + 8, extent.x); ++x)
      some = some || uintBitsToFloat(texelFetch(state, ivec2(x, y), 0).w) != 0.0;
  going = uvec4(some ? 1u : 0u);
}`;

// What viewers that march have in common: textures of a block, and rounds until no ray goes on.
class March {
  // names: the textures that a round keeps, the first of which is the state; they exist twice.
  constructor(device, evaluator, camera, space, grid, names) {
    Object.assign(this, { device, evaluator, camera, space, grid, names });
    this.sides = 0;
    this.advance = glslAdvance(space.contracted ?? false);
    this.directions = glslDirections(space.contracted ?? false);
  }

  blockOf(points) {
    return this.evaluator.block(points * STACKED, STACKED);
  }

  reserve(width, height) {
    if (this.room && this.room.width >= width && this.room.height >= height) return;
    if (this.room)
      this.device.free([this.room.points, this.room.active, this.room.rays, ...this.room.pairs.flat()]);
    width = Math.max(width, this.room?.width ?? 0);
    height = Math.max(height, this.room?.height ?? 0);
    const texture = (w, h) => this.device.texture(w, h);
    this.room = {
      width,
      height,
      points: texture(width, STACKED * height),
      rays: texture(width, STACKED * height),
      active: texture(Math.ceil(width / 8), Math.ceil(height / 8)),
      pairs: this.names.map(() => [texture(width, height), texture(width, height)]),
    };
  }

  // Uniforms of glslMarch for a block, and of the cube that the field sees as [-1, 1]^3.
  uniforms(size, block, frame) {
    const { low, high, stride, far = 1e30, centre, half } = this.space;
    const { camera } = this;
    // A visitor who comes nearer than the cameras were does not want things cut off.
    const near = (this.space.near ?? 0) * Math.min(1, camera.radius / camera.home.radius);
    const around = { ...camera.uniforms(frame.width, frame.height), ...spreadValues(block, size) };
    return { ...around, low, high, stride, near, far, unitCentre: centre, unitHalf: half };
  }

  // The textures of the last pass by name, and those that the next one draws to.
  get kept() {
    return Object.fromEntries(this.names.map((name, i) => [name, this.room.pairs[i][this.sides]]));
  }

  swap(fragment, block, textures, values) {
    const next = this.room.pairs.map((pair) => pair[1 - this.sides]);
    this.device.draw(fragment, next, [0, 0, block.width, block.height], textures, values);
    this.sides = 1 - this.sides;
  }

  // Rounds of STACKED samples a ray, until no ray goes on. `begin` and `take` are fragment shaders that write
  // the kept textures: at first, and after a round, from its points and values. `uniforms` are those above.
  *rounds(block, uniforms, begin, take, directed = false) {
    const { width, height } = block;
    const { room, grid, device } = this;
    const tall = [0, 0, width, STACKED * height];
    if (directed) device.draw(this.directions, [room.rays], tall, {}, uniforms);
    this.swap(begin, block, { grid }, uniforms);
    for (let round = 0; round < 4096; ++round) {
      if (round % 4 === 0 && !this.anyActive(this.kept[this.names[0]], block)) return;
      device.draw(this.advance, [room.points], tall, { state: this.kept[this.names[0]], grid }, uniforms);
      const found = this.evaluator.run(room.points, width, STACKED * height, 0, room.rays);
      this.swap(take, block, { ...this.kept, points: room.points, ...laneTextures(found) }, uniforms);
      yield (width * height * STACKED) / 4; // some rays have ended
    }
  }

  anyActive(state, { width, height }) {
    const [columns, rows] = [Math.ceil(width / 8), Math.ceil(height / 8)];
    this.device.draw(
      GLSL_ACTIVE,
      [this.room.active],
      [0, 0, columns, rows],
      { state },
      { extent: ints(width, height) },
    );
    return this.device.read(this.room.active, columns, rows).some((value) => value !== 0);
  }
}
