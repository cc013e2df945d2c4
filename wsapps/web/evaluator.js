// A field's values at many points, on the GPU: one pass a layer, a fragment for four neurons at some points.
//
// A network, as wsapps/web/network.py writes it: {inputs, outputs, members, stride, layers}. A layer
// {inputs, outputs, activation, factor, weight, bias, extra} gives activation(factor (W x + b)) of its inputs
// and, where `extra` is "point" or "direction", of three more numbers; `weight` and `bias` are places among
// the floats of the first member, and those of the next member come `stride` floats later.
//
// Points come as a picture of width x height texels (x, y, z, alive). The activations of such a block lie in
// `lanes` textures: texel (x, k height + y) of lane l holds neurons 4k .. 4k + 3 at point (lanes x + l, y). A
// fragment computes all lanes, so that a weight is fetched once for them.

const COLUMNS = 2048; // texels in a row of the textures of numbers: the most that every WebGL 2 has
const TURN = 2 * Math.PI;

// sin(2 pi turns). A GPU's own sine loses digits where its argument is large, and need not have more than 11
// bits where it is small. Here whole turns are taken off, which is exact, and an odd polynomial, the one of
// least maximal error on [-1/4, 1/4] (3e-9), does the rest.
const GLSL_SINE = `
vec4 sine(vec4 turns) {
  vec4 r = turns - round(turns);
  vec4 q = min(abs(r), 0.5 - abs(r));
  vec4 z = q * q;
  vec4 p = vec4(39.536701);
  p = p * z - 76.54978;
  p = p * z + 81.601006;
  p = p * z - 41.341656;
  p = p * z + 6.283185;
  return sign(r) * p * q;
}
float sine(float turns) { return sine(vec4(turns)).x; }
`;

const ACTIVATIONS = {
  linear: "return z;",
  sine: "return sine(z);", // z in turns
  relu: "return max(z, 0.0);",
  tanh: "return 1.0 - 2.0 / (exp(2.0 * clamp(z, -15.0, 15.0)) + 1.0);",
  gauss: "return exp(-z * z);",
  sinc: `bvec4 small = lessThan(abs(z), vec4(1e-4));
    return mix(sine(0.5 * z) / mix(3.14159265 * z, vec4(1.0), small), vec4(1.0), small);`,
};

class Evaluator {
  constructor(device, network, floats) {
    Object.assign(this, { device, network, floats });
    let texels = 0;
    this.layers = network.layers.map((layer, index) => {
      const columns = layer.inputs + (layer.extra ? 3 : 0);
      const quads = Math.ceil(layer.inputs / 4);
      const neurons = Math.ceil(layer.outputs / 4);
      const factor = layer.factor / (layer.activation === "sine" ? TURN : 1);
      const made = { ...layer, index, columns, quads, neurons, factor, first: texels };
      texels += 4 * neurons * (quads + (layer.extra ? 1 : 0));
      return made;
    });
    this.texelsOfMember = texels;
    this.tallest = Math.max(...this.layers.map((layer) => layer.neurons));
    this.makeWeights();
    this.setCentre(() => new Float64Array(network.inputs));
  }

  // All weights in one texture: for every four neurons, for every four inputs, a 4x4 matrix in four texels.
  makeWeights() {
    const { members, stride } = this.network;
    const rows = Math.ceil((this.texelsOfMember * members) / COLUMNS);
    const packed = new Float32Array(4 * COLUMNS * rows);
    let at = 0;
    for (let member = 0; member < members; ++member) {
      for (const layer of this.layers) {
        const places = 4 * (layer.quads + (layer.extra ? 1 : 0));
        for (let neuron = 0; neuron < 4 * layer.neurons; neuron += 4) {
          for (let place = 0; place < places; ++place) {
            const column = place < 4 * layer.quads ? place : layer.inputs + place - 4 * layer.quads;
            const exists = place < layer.inputs || (place >= 4 * layer.quads && column < layer.columns);
            for (let row = neuron; row < neuron + 4; ++row, ++at) {
              if (!exists || row >= layer.outputs) continue;
              const weight = this.floats[member * stride + layer.weight + row * layer.columns + column];
              packed[at] = layer.factor * weight;
            }
          }
        }
      }
    }
    this.weights = this.device.texture(COLUMNS, rows, "float4", packed);
  }

  // Points are given relative to a centre, one for each member: centreOf(member). What the first layer makes
  // of it is summed in double precision, and whole turns are taken off: so zooming has no end.
  setCentre(centreOf) {
    const { members } = this.network;
    this.biasTable ??= this.makeBiases();
    for (const layer of this.layers) {
      const moved = layer.index === 0 ? 0 : layer.extra === "point" ? layer.inputs : null;
      if (moved === null) continue;
      for (let member = 0; member < members; ++member)
        this.moveBiases(layer, member, moved, centreOf(member));
    }
    this.device.free([this.biases]);
    this.biases = this.device.texture(
      COLUMNS,
      this.biasTable.length / (4 * COLUMNS),
      "float4",
      this.biasTable,
    );
  }

  // Biases of all members and layers, a row of `tallest` texels each, one row after the other.
  makeBiases() {
    const { members, stride } = this.network;
    const texels = this.tallest * this.layers.length * members;
    const table = new Float32Array(4 * COLUMNS * Math.ceil(texels / COLUMNS));
    for (let member = 0; member < members; ++member) {
      for (const layer of this.layers) {
        const at = 4 * this.biasTexel(layer, member);
        for (let row = 0; row < layer.outputs; ++row) {
          table[at + row] = layer.factor * this.floats[member * stride + layer.bias + row];
        }
      }
    }
    return table;
  }

  biasTexel(layer, member) {
    return this.tallest * (layer.index + member * this.layers.length);
  }

  moveBiases(layer, member, moved, centre) {
    const offset = member * this.network.stride;
    const at = 4 * this.biasTexel(layer, member);
    for (let row = 0; row < layer.outputs; ++row) {
      let sum = this.floats[offset + layer.bias + row];
      const first = offset + layer.weight + row * layer.columns + moved;
      for (let d = 0; d < this.network.inputs; ++d) sum += this.floats[first + d] * centre[d];
      sum *= layer.factor;
      this.biasTable[at + row] = layer.activation === "sine" ? sum % 1 : sum;
    }
  }

  // The size [width, height] of a block of about `points` points that fits into textures, where `stacked`
  // blocks of it lie one over the other in every pass.
  block(points, stacked = 1) {
    const most = Math.floor(this.device.largest / this.tallest / stacked);
    const height = Math.max(1, Math.min(64, Math.floor(Math.sqrt(points / stacked)), most));
    const width = Math.max(1, Math.min(Math.floor(points / stacked / height), this.device.largest));
    return [width, height];
  }

  // Two sets of textures, which the layers draw to in turns.
  reserve(width, height) {
    if (this.room && this.room.width >= width && this.room.height >= height) return;
    if (this.room) this.device.free(this.room.sets.flat());
    width = Math.max(width, this.room?.width ?? 0);
    height = Math.max(height, this.room?.height ?? 0);
    const { lanes } = this.device;
    const set = () =>
      Array.from({ length: lanes }, () =>
        this.device.texture(Math.ceil(width / lanes), height * this.tallest),
      );
    this.room = { width, height, sets: [set(), set()] };
  }

  // Values at the points of a texture: x, y, z relative to the centre, and not 0 where they are wanted.
  // Returns the textures of all lanes, for glslValue, until the next run.
  run(points, width, height, member = 0, extra = null) {
    this.reserve(width, height);
    const columns = Math.ceil(width / this.device.lanes);
    let sources = [];
    for (const layer of this.layers) {
      const textures = { points, weights: this.weights, biases: this.biases };
      sources.forEach((texture, lane) => (textures[`source${lane}`] = texture));
      if (layer.extra === "direction") textures.extra = extra;
      const targets = this.room.sets[layer.index % 2];
      this.device.draw(this.shader(layer), targets, [0, 0, columns, height * layer.neurons], textures, {
        height: ints(height),
        first: ints(layer.first + member * this.texelsOfMember),
        firstBias: ints(this.biasTexel(layer, member)),
      });
      sources = targets;
    }
    return sources;
  }

  // Values at points, three numbers each and relative to the centre, read back: four numbers each.
  valuesAt(points, member = 0, direction = null) {
    const count = points.length / 3;
    const [width] = this.block(2 ** 12);
    const rows = Math.floor(2 ** 12 / width);
    const values = new Float32Array(4 * count);
    for (let start = 0; start < count; start += width * rows) {
      const texels = new Float32Array(4 * width * rows);
      for (let i = 0; i < Math.min(width * rows, count - start); ++i) {
        for (let d = 0; d < 3; ++d) texels[4 * i + d] = points[3 * (start + i) + d];
        texels[4 * i + 3] = 1;
      }
      const texture = this.device.texture(width, rows, "uint4", new Uint32Array(texels.buffer));
      const numbers = this.read(this.run(texture, width, rows, member, direction), width, rows);
      values.set(numbers.subarray(0, 4 * Math.min(width * rows, count - start)), 4 * start);
      this.device.free([texture]);
    }
    return values;
  }

  // The values at the points of a block, read back.
  read(values, width, height) {
    const joined = this.device.texture(width, height);
    this.device.draw(glslJoin(this.device.lanes), [joined], [0, 0, width, height], laneTextures(values));
    const numbers = this.device.read(joined, width, height);
    this.device.free([joined]);
    return numbers;
  }

  shader(layer) {
    if (layer.source) return layer.source;
    const { lanes } = this.device;
    const each = (text) => Array.from({ length: lanes }, (_, lane) => text(lane)).join("\n        ");
    const floats = (texel) => `uintBitsToFloat(${texel})`;
    const point = (lane) => `ivec2(${lanes} * at.x + ${lane}, at.y)`;
    const input = (lane) =>
      layer.index === 0
        ? `vec4(${floats(`p${lane}.xyz`)}, 0.0)`
        : floats(`texelFetch(source${lane}, ivec2(at.x, k * height + at.y), 0)`);
    const extra = (lane) =>
      layer.extra === "point"
        ? `vec4(${floats(`p${lane}.xyz`)}, 0.0)`
        : `vec4(${floats(`texelFetch(extra, ${point(lane)}, 0).xyz`)}, 0.0)`;
    const multiply = (read) => `{
        mat4 w = mat4(weight(i), weight(i + 1), weight(i + 2), weight(i + 3));
        ${each((lane) => `z${lane} += w * ${read(lane)};`)}
        i += 4;
      }`;
    layer.source = `
      uniform sampler2D weights, biases;
      uniform usampler2D points;
      ${layer.extra === "direction" ? "uniform usampler2D extra;" : ""}
      ${layer.index ? each((lane) => `uniform usampler2D source${lane};`) : ""}
      uniform int height, first, firstBias;
      ${each((lane) => `layout(location = ${lane}) out uvec4 out${lane};`)}
      ${GLSL_SINE}
      ivec2 place(int i) { return ivec2(i & ${COLUMNS - 1}, i / ${COLUMNS}); }
      vec4 weight(int i) { return texelFetch(weights, place(i), 0); }
      vec4 activation(vec4 z) { ${ACTIVATIONS[layer.activation]} }
      void main() {
        ivec2 at = ivec2(gl_FragCoord.xy);
        int neuron = at.y / height;
        at.y -= neuron * height;
        ${each((lane) => `uvec4 p${lane} = texelFetch(points, ${point(lane)}, 0);`)}
        ${each((lane) => `out${lane} = uvec4(0u);`)}
        if ((${Array.from({ length: lanes }, (_, lane) => `p${lane}.w`).join(" | ")}) == 0u) return;
        int i = first + neuron * ${4 * (layer.quads + (layer.extra ? 1 : 0))};
        vec4 bias = texelFetch(biases, place(firstBias + neuron), 0);
        ${each((lane) => `vec4 z${lane} = bias;`)}
        for (int k = 0; k < ${layer.quads}; ++k) ${multiply(input)}
        ${layer.extra ? multiply(extra) : ""}
        ${each((lane) => `out${lane} = floatBitsToUint(activation(z${lane}));`)}
      }`;
    return layer.source;
  }
}

// For passes that read what Evaluator.run returned: `vec4 fieldValue(ivec2 point)`.
const laneTextures = (values) => Object.fromEntries(values.map((texture, lane) => [`value${lane}`, texture]));

const glslValue = (lanes) => `
  uniform usampler2D ${Array.from({ length: lanes }, (_, lane) => `value${lane}`).join()};
  vec4 fieldValue(ivec2 point) {
    int lane = point.x % ${lanes};
    ivec2 at = ivec2(point.x / ${lanes}, point.y);
    ${Array.from({ length: lanes - 1 }, (_, i) => lanes - 1 - i)
      .map((lane) => `if (lane == ${lane}) return uintBitsToFloat(texelFetch(value${lane}, at, 0));`)
      .join("\n    ")}
    return uintBitsToFloat(texelFetch(value0, at, 0));
  }`;

const glslJoin = (lanes) => `
  ${glslValue(lanes)}
  out uvec4 joined;
  void main() { joined = floatBitsToUint(fieldValue(ivec2(gl_FragCoord.xy))); }`;
