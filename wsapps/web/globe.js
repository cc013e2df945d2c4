// A field on the unit sphere, as a globe or as a map of latitudes and longitudes.
//
// page.signal: {low, high, units}: what the field's values 0 and 1 stand for; the array "colours" has 256
// colours of three bytes for values from 0 to 1. The point at a latitude and a longitude is
// (cos lat cos lon, cos lat sin lon, sin lat), as in wsapps_signals/kinds/sphere_grid.py.

const RADIAN = Math.PI / 180;

class Globe {
  constructor(device, page, floats) {
    Object.assign(this, { device, page, floats, samples: 1, shape: "globe", lines: true });
    this.evaluator = new Evaluator(device, page.network, floats);
    this.paint = glslGlobePaint(device.lanes, page.network.outputs);
    this.colours = device.palette(unpack("colours", Uint8Array));
    this.frame = new Frame(device, this, (points) => this.evaluator.block(points));
    this.fit();
  }

  get fitting() {
    const { width, height } = this.device.canvas;
    return this.shape === "globe"
      ? 0.46 * Math.min(width, height)
      : Math.min(width / (2 * Math.PI), height / Math.PI);
  }

  // The middle of the canvas in degrees, and canvas pixels a radian there.
  fit() {
    this.view = this.shape === "globe" ? { latitude: 20, longitude: 0 } : { latitude: 0, longitude: 0 };
    this.view.zoom = this.fitting;
    this.untouched = true;
  }

  // East, north and up at the middle of the view.
  get axes() {
    const [lat, lon] = [this.view.latitude * RADIAN, this.view.longitude * RADIAN];
    const [cl, sl, co, so] = [Math.cos(lat), Math.sin(lat), Math.cos(lon), Math.sin(lon)];
    return [
      [-so, co, 0],
      [-sl * co, -sl * so, cl],
      [cl * co, cl * so, sl],
    ];
  }

  begin() {
    this.evaluator.setCentre(() => this.axes[2]);
  }

  *block(size, block, frame) {
    const { width, height } = block;
    const values = {
      ...spreadValues(block, size),
      axes: this.axes.flat(),
      middle: [frame.width / 2, frame.height / 2],
      zoom: this.view.zoom,
      latitude: this.view.latitude * RADIAN,
      globe: this.shape === "globe" ? 1 : 0,
      lines: this.lines ? 1 : 0,
    };
    const points = (this.points = this.device.grown(this.points, width, height));
    this.device.draw(GLSL_GLOBE_POINTS, [points], [0, 0, width, height], {}, values);
    const found = this.evaluator.run(points, width, height);
    const textures = { points, colours: this.colours, ...laneTextures(found) };
    this.device.draw(this.paint, [frame.picture], frame.region(block, size), textures, values);
    yield width * height;
  }

  // The latitude and longitude under a canvas pixel, or null.
  placeAt(px, py) {
    const { view, frame } = this;
    const [x, y] = [(px - frame.width / 2) / view.zoom, (frame.height / 2 - py) / view.zoom];
    if (this.shape === "map") {
      const latitude = view.latitude + y / RADIAN;
      return Math.abs(latitude) <= 90 ? [latitude, wrapped(view.longitude + x / RADIAN)] : null;
    }
    if (x * x + y * y > 1) return null;
    const up = Math.sqrt(1 - x * x - y * y);
    const [east, north, middle] = this.axes;
    const point = middle.map((value, d) => x * east[d] + y * north[d] + up * value);
    return [Math.asin(Math.max(-1, Math.min(1, point[2]))) / RADIAN, Math.atan2(point[1], point[0]) / RADIAN];
  }

  // The field's values at degrees of latitude and longitude.
  at(latitude, longitude) {
    const [lat, lon] = [latitude * RADIAN, longitude * RADIAN];
    const point = [Math.cos(lat) * Math.cos(lon), Math.cos(lat) * Math.sin(lon), Math.sin(lat)];
    return valueAt(this.page.network, this.floats, point);
  }
}

const wrapped = (degrees) => ((((degrees + 180) % 360) + 360) % 360) - 180;

// Points relative to the middle of the view, without ever taking a difference of two large numbers.
const GLSL_GLOBE_POINTS = `
${GLSL_SINE}
uniform ivec2 corner;
uniform float size, zoom, latitude, globe;
uniform vec2 middle;
uniform mat3 axes;
out uvec4 point;
float sin_(float radians) { return sine(radians / 6.28318530718); }
float cos_(float radians) { return sine(radians / 6.28318530718 + 0.25); }
void main() {
  vec2 at = ((vec2(corner) + gl_FragCoord.xy) * size - middle) * vec2(1.0, -1.0) / zoom;
  vec3 local;
  bool there;
  if (globe > 0.5) {
    float squared = dot(at, at);
    there = squared < 1.0;
    local = vec3(at, -squared / (1.0 + sqrt(max(1.0 - squared, 0.0))));
  } else {
    float lat = latitude + at.y;
    there = abs(lat) <= 1.57079633;
    float half_ = sin_(0.5 * at.x), up = sin_(0.5 * at.y);
    float bulge = 2.0 * cos_(lat) * half_ * half_;
    local = vec3(cos_(lat) * sin_(at.x), sin_(at.y), -2.0 * up * up);
    local.yz += vec2(sin_(latitude), -cos_(latitude)) * bulge;
  }
  point = uvec4(floatBitsToUint(axes * local), there ? 1u : 0u);
}`;

const glslGlobePaint = (lanes, channels) => `
${glslValue(lanes)}
uniform usampler2D points;
uniform sampler2D colours;
uniform mat3 axes;
uniform float zoom, lines;
vec3 levelPixel(ivec2 at);
${GLSL_SPREAD}
vec3 coloured(vec4 value) {
  ${
    channels === 3
      ? "return clamp(value.xyz, 0.0, 1.0);"
      : `
  float place = 255.0 * clamp(value.x, 0.0, 1.0);
  int first = int(place);
  vec3 a = texelFetch(colours, ivec2(first, 0), 0).xyz;
  vec3 b = texelFetch(colours, ivec2(min(first + 1, 255), 0), 0).xyz;
  return mix(a, b, place - float(first));`
  }
}
// Parallels and meridians every 30 degrees, a pixel wide.
float lineAt(vec3 position) {
  float lat = degrees(asin(clamp(position.z, -1.0, 1.0))), lon = degrees(atan(position.y, position.x));
  vec2 off = abs(vec2(lat, lon) / 30.0 - round(vec2(lat, lon) / 30.0)) * 30.0;
  float width = degrees(1.0 / zoom) * max(size, 1.0);
  float meridian = abs(lat) < 89.0 ? 1.0 - smoothstep(0.3, 1.0, off.y * cos(radians(lat)) / width) : 0.0;
  return max(1.0 - smoothstep(0.3, 1.0, off.x / width), meridian);
}
vec3 levelPixel(ivec2 at) {
  uvec4 point = texelFetch(points, at, 0);
  if (point.w == 0u) return vec3(0.086, 0.094, 0.106);
  vec3 colour = coloured(fieldValue(at));
  return mix(colour, vec3(1.0), lines * 0.35 * lineAt(axes[2] + uintBitsToFloat(point.xyz)));
}`;
