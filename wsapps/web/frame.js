// A picture that is computed a little at a time: coarse first, then finer.
//
// A painter draws blocks of it. It has
//   begin()          called whenever the picture starts anew,
//   samples          points of the field that a pixel costs, about,
//   block(size, block, frame)   a generator that draws one block of a level, and yields how many points it
//                    has asked the GPU for.
// A level of pixel size f has a pixel for f x f of the canvas; level pixel (i, j) is centred at (i + 1/2) f.

const COARSEST = 16; // pixel size of the first level, where the GPU is slow

class Frame {
  constructor(device, painter, blockOf) {
    Object.assign(this, { device, painter, blockOf });
    this.slices = new Slices(device, () => this.present());
    this.done = null; // the part of the picture that is finished at a pixel size: {x, y, right, bottom, size}
    this.onprogress = () => {};
    this.resize();
  }

  resize() {
    const { canvas } = this.device;
    this.width = canvas.width;
    this.height = canvas.height;
    this.device.free([this.picture, this.spare]);
    [this.picture, this.spare] = [0, 1].map(() => this.device.texture(this.width, this.height, "byte4"));
    this.done = null;
  }

  // Start again, after the view has changed. `moved` says where the old picture is now, if it is of use:
  // old pixel = moved.scale * new pixel + (moved.x, moved.y).
  restart(moved = null) {
    if (moved) this.carryOver(moved);
    else this.done = null;
    this.coarseDone = false; // whether all of the picture has been drawn once
    this.slices.start(this.steps());
  }

  carryOver({ scale, x, y }) {
    const { width, height } = this;
    this.device.draw(
      GLSL_MOVE,
      [this.spare],
      [0, 0, width, height],
      { before: this.picture },
      { scale, shift: [x, y] },
    );
    [this.picture, this.spare] = [this.spare, this.picture];
    if (!this.done) return;
    const { x: left, y: top, right, bottom, size } = this.done;
    this.done = {
      x: Math.max(0, Math.ceil((left - x) / scale)),
      y: Math.max(0, Math.ceil((top - y) / scale)),
      right: Math.min(width, Math.floor((right - x) / scale)),
      bottom: Math.min(height, Math.floor((bottom - y) / scale)),
      // A picture that is neither moved by whole pixels nor of this scale has to be made again.
      size: scale === 1 && Number.isInteger(x) && Number.isInteger(y) ? size : Math.max(size / scale, 1.01),
    };
  }

  // Whether a block of a level would show nothing that is not there already.
  has(block, size) {
    const { done } = this;
    return (
      done !== null &&
      done.size <= size &&
      block.x * size >= done.x &&
      block.y * size >= done.y &&
      Math.min((block.x + block.width) * size, this.width) <= done.right &&
      Math.min((block.y + block.height) * size, this.height) <= done.bottom
    );
  }

  *steps() {
    this.painter.begin();
    const wanted = Math.sqrt((this.width * this.height * this.painter.samples) / this.slices.budget);
    let size = 1;
    while (size < wanted && size < COARSEST) size *= 2;
    for (; size >= 1; size /= 2) {
      const blocks = this.blocks(size);
      for (let i = 0; i < blocks.length; ++i) {
        this.onprogress(size, i / blocks.length);
        if (!this.has(blocks[i], size)) yield* this.painter.block(size, blocks[i], this);
      }
      this.done = { x: 0, y: 0, right: this.width, bottom: this.height, size };
      this.coarseDone = true;
    }
    this.onprogress(1, 1);
  }

  // The blocks of a level, from the middle outwards.
  blocks(size) {
    const [width, height] = [Math.ceil(this.width / size), Math.ceil(this.height / size)];
    const points = Math.min(2 ** 14, Math.max(256, this.slices.budget / this.painter.samples));
    const [columns, rows] = this.blockOf(points);
    const blocks = [];
    for (let y = 0; y < height; y += rows) {
      for (let x = 0; x < width; x += columns) {
        blocks.push({ x, y, width: Math.min(columns, width - x), height: Math.min(rows, height - y) });
      }
    }
    const far = (b) => Math.hypot(b.x + b.width / 2 - width / 2, b.y + b.height / 2 - height / 2);
    return blocks.sort((a, b) => far(a) - far(b));
  }

  // The canvas pixels [x, y, width, height] of a block of a level.
  region(block, size) {
    const [x, y] = [block.x * size, block.y * size];
    return [
      x,
      y,
      Math.min(block.width * size, this.width - x),
      Math.min(block.height * size, this.height - y),
    ];
  }

  // All of the picture, now.
  finish() {
    this.slices.finish();
  }

  get busy() {
    return this.slices.busy;
  }

  present() {
    const { width, height } = this;
    this.device.draw(
      GLSL_PRESENT,
      null,
      [0, 0, width, height],
      { picture: this.picture },
      { height: ints(height) },
    );
  }

  // The finished picture, four bytes a pixel, rows from the top.
  pixels() {
    return this.device.read(this.picture, this.width, this.height, "byte4");
  }
}

const GLSL_PRESENT = `
uniform sampler2D picture;
uniform int height;
out vec4 colour;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  colour = texelFetch(picture, ivec2(at.x, height - 1 - at.y), 0);
}`;

const GLSL_MOVE = `
uniform sampler2D before;
uniform float scale;
uniform vec2 shift;
out vec4 colour;
vec4 old(ivec2 at) { return texelFetch(before, clamp(at, ivec2(0), textureSize(before, 0) - 1), 0); }
void main() {
  vec2 at = scale * gl_FragCoord.xy + shift - 0.5;
  ivec2 corner = ivec2(floor(at));
  vec2 part = at - vec2(corner);
  colour = mix(mix(old(corner), old(corner + ivec2(1, 0)), part.x),
    mix(old(corner + ivec2(0, 1)), old(corner + ivec2(1, 1)), part.x), part.y);
}`;

// The end of a painting pass: pixels of a block in between those of its level. Stands on
// `vec3 levelPixel(ivec2 at)`, the colour of a pixel of the block.
const GLSL_SPREAD = `
uniform ivec2 corner, extent; // of the block, in pixels of its level
uniform float size;
out vec4 colour;
vec3 inside(ivec2 at) { return levelPixel(clamp(at, ivec2(0), extent - 1)); }
void main() {
  vec2 at = gl_FragCoord.xy / size - 0.5 - vec2(corner);
  if (size == 1.0) {
    colour = vec4(levelPixel(ivec2(gl_FragCoord.xy) - corner), 1.0);
    return;
  }
  ivec2 first = ivec2(floor(at));
  vec2 part = at - vec2(first);
  vec3 above = mix(inside(first), inside(first + ivec2(1, 0)), part.x);
  vec3 below = mix(inside(first + ivec2(0, 1)), inside(first + ivec2(1, 1)), part.x);
  colour = vec4(mix(above, below, part.y), 1.0);
}`;

const spreadValues = (block, size) => ({
  corner: ints(block.x, block.y),
  extent: ints(block.width, block.height),
  size,
});
