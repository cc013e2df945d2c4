// The WebGL 2 context, and the few things that every pass over it needs.
//
// Numbers are kept in RGBA32UI textures, which every WebGL 2 can draw to (drawing floats is an extension).
// Row 0 of every texture is the top one; only the last pass, onto the canvas, turns pictures over.

const GLSL_HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
precision highp usampler3D;
`;

// One triangle that covers the viewport.
const GLSL_VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

const ints = (...values) => Int32Array.from(values);

class Device {
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("This page needs WebGL 2, which this browser lacks or has switched off.");
    this.gl = gl;
    this.canvas = canvas;
    this.programs = new Map();
    this.framebuffer = gl.createFramebuffer();
    this.largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    gl.disable(gl.DITHER);
    this.lanes = this.mostTargets();
  }

  // Textures that one pass may draw to: 4 where the GPU takes them, fewer on some phones.
  mostTargets() {
    const gl = this.gl;
    for (const count of [4, 2]) {
      const textures = Array.from({ length: count }, () => this.texture(4, 4));
      this.attach(textures);
      const complete = gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
      this.free(textures);
      if (complete) return count;
    }
    return 1;
  }

  texture(width, height, format = "uint4", data = null) {
    const gl = this.gl;
    const [internal, external, type] = this.format(format);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, external, type, data);
    this.unfiltered(gl.TEXTURE_2D);
    return texture;
  }

  // Bytes by x, y, z, x fastest.
  texture3d(size, data) {
    const gl = this.gl;
    const [internal, external, type] = this.format("byte1");
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_3D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage3D(gl.TEXTURE_3D, 0, internal, ...size, 0, external, type, data);
    this.unfiltered(gl.TEXTURE_3D);
    texture.is3d = true;
    return texture;
  }

  // A texture of at least this size: the one that is given, where it is large enough.
  grown(texture, width, height) {
    if (texture && texture.width >= width && texture.height >= height) return texture;
    const size = {
      width: Math.max(width, texture?.width ?? 0),
      height: Math.max(height, texture?.height ?? 0),
    };
    this.free([texture]);
    return Object.assign(this.texture(size.width, size.height), size);
  }

  // A row of 256 colours, given by three bytes each.
  palette(colours) {
    const texels = Uint8Array.from({ length: 1024 }, (_, i) =>
      i % 4 < 3 ? colours[3 * (i >> 2) + (i % 4)] : 255,
    );
    return this.texture(256, 1, "byte4", texels);
  }

  format(name) {
    const gl = this.gl;
    return {
      uint4: [gl.RGBA32UI, gl.RGBA_INTEGER, gl.UNSIGNED_INT],
      float4: [gl.RGBA32F, gl.RGBA, gl.FLOAT],
      byte4: [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE],
      byte1: [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE],
    }[name];
  }

  unfiltered(kind) {
    const gl = this.gl;
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(kind, side, gl.NEAREST);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(kind, side, gl.CLAMP_TO_EDGE);
  }

  free(textures) {
    for (const texture of textures) if (texture) this.gl.deleteTexture(texture);
  }

  attach(textures) {
    const gl = this.gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    for (let i = 0; i < 4; ++i) {
      gl.framebufferTexture2D(
        gl.FRAMEBUFFER,
        gl.COLOR_ATTACHMENT0 + i,
        gl.TEXTURE_2D,
        textures[i] || null,
        0,
      );
    }
    gl.drawBuffers(textures.map((_, i) => gl.COLOR_ATTACHMENT0 + i));
  }

  program(fragment) {
    if (this.programs.has(fragment)) return this.programs.get(fragment);
    const gl = this.gl;
    const program = gl.createProgram();
    const shaders = [
      [gl.VERTEX_SHADER, GLSL_VERTEX],
      [gl.FRAGMENT_SHADER, GLSL_HEAD + fragment],
    ].map(([type, source]) => {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      return shader;
    });
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(
        `a shader does not compile: ${gl.getProgramInfoLog(program)} ${gl.getShaderInfoLog(shaders[1])}`,
      );
    }
    const entry = { program, places: new Map() };
    this.programs.set(fragment, entry);
    return entry;
  }

  // One pass: a fragment shader over a region [x, y, width, height] of up to four textures, or of the canvas
  // (targets null). Values are numbers for floats, ints(...) for ints, arrays for vectors and matrices.
  draw(fragment, targets, region, textures = {}, values = {}) {
    const gl = this.gl;
    const { program, places } = this.program(fragment);
    const place = (name) => {
      if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
      return places.get(name);
    };
    gl.useProgram(program);
    Object.entries(textures).forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(texture.is3d ? gl.TEXTURE_3D : gl.TEXTURE_2D, texture);
      gl.uniform1i(place(name), unit);
    });
    for (const [name, value] of Object.entries(values)) this.set(place(name), value);
    if (targets) this.attach(targets);
    else gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(...region);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(...region);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    // A texture that is still bound here may be drawn to next, which WebGL would call a loop.
    gl.activeTexture(gl.TEXTURE0);
  }

  set(place, value) {
    const gl = this.gl;
    if (typeof value === "number") gl.uniform1f(place, value);
    else if (value instanceof Int32Array) gl[`uniform${value.length}iv`](place, value);
    else if (value.length === 9)
      gl.uniformMatrix3fv(place, false, value); // by columns
    else gl[`uniform${value.length}fv`](place, value);
  }

  // The numbers of a part of a texture that passes have drawn, four a texel. Waits for the GPU.
  read(texture, width, height, format = "uint4") {
    const gl = this.gl;
    const [, external, type] = this.format(format);
    const numbers =
      format === "uint4" ? new Uint32Array(4 * width * height) : new Uint8Array(4 * width * height);
    this.attach([texture]);
    gl.readPixels(0, 0, width, height, external, type, numbers);
    return format === "uint4" ? new Float32Array(numbers.buffer) : numbers;
  }
}
