// A field of two coordinates as a picture without end, or of three as a film: pan, zoom, and a read-out.
//
// page.signal: {height, width, channels, frames?, seconds?, tiling?}. Pixel k of an axis of n has the
// coordinate -1 + 2 k / (n - 1); the picture reaches half a pixel beyond the outermost ones.

class Plane {
  constructor(device, page, floats) {
    Object.assign(this, { device, page, floats, signal: page.signal, samples: 1 });
    this.evaluator = new Evaluator(device, page.network, floats);
    this.film = this.signal.frames !== undefined;
    this.time = -1; // of a film, its coordinate
    this.paint = glslPlanePaint(device.lanes, page.signal.channels);
    // {x, y: the middle of the canvas, in pixels of the picture; zoom: canvas pixels a pixel of it}
    this.view = null;
    this.frame = new Frame(device, this, (points) => this.evaluator.block(points));
  }

  get fitting() {
    return Math.min(
      this.device.canvas.width / this.signal.width,
      this.device.canvas.height / this.signal.height,
    );
  }

  fit() {
    this.view = { x: (this.signal.width - 1) / 2, y: (this.signal.height - 1) / 2, zoom: this.fitting };
    this.untouched = true;
  }

  // Coordinates of a place in the picture, in the order of the field's inputs.
  coordinates(x, y) {
    const at = (pixel, count) => -1 + (2 * pixel) / (count - 1);
    const plane = [at(y, this.signal.height), at(x, this.signal.width)];
    return this.film ? [this.time, ...plane] : plane;
  }

  // Coordinates that a canvas pixel is wide and high.
  get step() {
    const { height, width } = this.signal;
    return { x: 2 / (width - 1) / this.view.zoom, y: 2 / (height - 1) / this.view.zoom };
  }

  begin() {
    const centre = this.coordinates(this.view.x, this.view.y);
    this.evaluator.setCentre((member) => this.local(member, centre));
  }

  // A point in the coordinates of a tile, as wsapps/tiling.py has them.
  local(member, point) {
    const { tiling } = this.signal;
    if (!tiling) return point;
    const cells = this.cellsOf(member);
    return point.map((value, d) => {
      const [low, high, count] = [tiling.low[d], tiling.high[d], tiling.tiles[d]];
      return low + (value - (low + (cells[d] / count) * (high - low))) * count;
    });
  }

  cellsOf(member) {
    const { tiles } = this.signal.tiling;
    const cells = [];
    for (let d = tiles.length - 1; d >= 0; --d) {
      cells.unshift(member % tiles[d]);
      member = Math.floor(member / tiles[d]);
    }
    return cells;
  }

  cell(value, d) {
    const { tiles, low, high } = this.signal.tiling;
    const at = Math.floor(((value - low[d]) / (high[d] - low[d])) * tiles[d]);
    return Math.max(0, Math.min(tiles[d] - 1, at));
  }

  memberAt(point) {
    if (!this.signal.tiling) return 0;
    return point.reduce((member, value, d) => member * this.signal.tiling.tiles[d] + this.cell(value, d), 0);
  }

  // A block in pieces that lie in one tile each: {member, block}.
  pieces(size, block) {
    if (!this.signal.tiling) return [{ member: 0, block, tiles: [1, 1] }];
    const { tiles } = this.signal.tiling;
    const [dx, dy] = [tiles.length - 1, tiles.length - 2];
    const columns = this.runs(block.x, block.width, size, this.frame.width, dx, this.step.x);
    const rows = this.runs(block.y, block.height, size, this.frame.height, dy, this.step.y);
    const first = this.film ? this.cell(this.time, 0) : 0;
    return rows.flatMap((row) =>
      columns.map((column) => ({
        member: (first * tiles[dy] + row.cell) * tiles[dx] + column.cell,
        block: { x: column.start, y: row.start, width: column.count, height: row.count },
        tiles: [tiles[dx], tiles[dy]],
      })),
    );
  }

  // Neighbouring level pixels of one tile, along an axis: [{cell, start, count}].
  runs(start, count, size, extent, d, step) {
    const middle = this.coordinates(this.view.x, this.view.y)[d];
    const runs = [];
    for (let i = start; i < start + count; ++i) {
      const cell = this.cell(middle + ((i + 0.5) * size - extent / 2) * step, d);
      if (runs.length && runs[runs.length - 1].cell === cell) ++runs[runs.length - 1].count;
      else runs.push({ cell, start: i, count: 1 });
    }
    return runs;
  }

  *block(size, whole, frame) {
    for (const { member, block, tiles } of this.pieces(size, whole)) {
      const { width, height } = block;
      const region = [0, 0, width, height];
      const points = (this.points = this.device.grown(this.points, width, height));
      this.device.draw(
        this.film ? GLSL_FILM_POINTS : GLSL_PLANE_POINTS,
        [points],
        region,
        {},
        this.placed(block, size, tiles),
      );
      const values = this.evaluator.run(points, width, height, member);
      this.device.draw(
        this.paint,
        [frame.picture],
        frame.region(block, size),
        { points, ...laneTextures(values) },
        spreadValues(block, size),
      );
      yield width * height;
    }
  }

  // Where a block's pixels are, relative to the middle of the view.
  placed(block, size, tiles) {
    const { view, signal, frame, step } = this;
    const edge = (end, middle, side) => end * (2 / (side - 1)) - middle * (2 / (side - 1));
    return {
      start: [block.x + 0.5 - frame.width / 2 / size, block.y + 0.5 - frame.height / 2 / size],
      perPixel: [step.x * size, step.y * size],
      low: [edge(-0.5, view.x, signal.width), edge(-0.5, view.y, signal.height)],
      high: [
        edge(signal.width - 0.5, view.x, signal.width),
        edge(signal.height - 0.5, view.y, signal.height),
      ],
      tiles,
    };
  }

  // The field at a place of the picture, in double precision.
  at(x, y) {
    const point = this.coordinates(x, y);
    const member = this.memberAt(point);
    return valueAt(this.page.network, this.floats, this.local(member, point), member);
  }
}

const GLSL_PLACED = `
uniform vec2 start, perPixel, low, high, tiles;
out uvec4 point;
uvec4 placed(bool film) {
  vec2 at = (start + gl_FragCoord.xy - 0.5) * perPixel;
  bool inside = all(greaterThanEqual(at, low)) && all(lessThanEqual(at, high));
  at *= tiles;
  return uvec4(floatBitsToUint(film ? vec3(0.0, at.y, at.x) : vec3(at.y, at.x, 0.0)), inside ? 1u : 0u);
}`;
const GLSL_PLANE_POINTS = `${GLSL_PLACED} void main() { point = placed(false); }`;
const GLSL_FILM_POINTS = `${GLSL_PLACED} void main() { point = placed(true); }`;

const glslPlanePaint = (lanes, channels) => `
${glslValue(lanes)}
uniform usampler2D points;
vec3 levelPixel(ivec2 at) {
  if (texelFetch(points, at, 0).w == 0u) return vec3(0.086, 0.094, 0.106);
  vec4 value = fieldValue(at);
  return clamp(${channels === 1 ? "value.xxx" : "value.xyz"}, 0.0, 1.0);
}
${GLSL_SPREAD}`;
