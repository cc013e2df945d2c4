// A field's values at one point, on the CPU in double precision: for read-outs, and to check the GPU by.

const ACTIVATION_AT = {
  linear: (z) => z,
  sine: Math.sin,
  relu: (z) => Math.max(z, 0),
  tanh: Math.tanh,
  gauss: (z) => Math.exp(-z * z),
  sinc: (z) => (Math.abs(z) < 1e-12 ? 1 : Math.sin(Math.PI * z) / (Math.PI * z)),
};

function valueAt(network, floats, point, member = 0, direction = null) {
  const offset = member * network.stride;
  let inputs = Float64Array.from(point);
  for (const layer of network.layers) {
    const extra = { point, direction }[layer.extra] ?? [];
    const columns = layer.inputs + (layer.extra ? 3 : 0);
    const activation = ACTIVATION_AT[layer.activation];
    const outputs = new Float64Array(layer.outputs);
    for (let row = 0; row < layer.outputs; ++row) {
      const first = offset + layer.weight + row * columns;
      let sum = floats[offset + layer.bias + row];
      for (let i = 0; i < layer.inputs; ++i) sum += floats[first + i] * inputs[i];
      for (let i = 0; i < extra.length; ++i) sum += floats[first + layer.inputs + i] * extra[i];
      outputs[row] = activation(layer.factor * sum);
    }
    inputs = outputs;
  }
  return inputs;
}
