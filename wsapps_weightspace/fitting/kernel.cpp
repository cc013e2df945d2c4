// Fits small sine fields on a CPU: one core takes a field through all its steps, with the field, its
// gradient, its moments and the activations of a tile of points in the nearest caches all the while.
//
// Compiled for one architecture: -DSIZES=2,32,32,1. Hidden layers are padded to whole vectors; padded neurons
// have weights of 0 and keep them, since they get no gradient. What becomes of a field depends on its own
// numbers alone: neither the fields beside it nor the number of threads changes a bit.
//
// Shapes: I and O neurons before and after a layer (padded), V vectors of LANES neurons, C values of a point.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8;  // of 32 registers, ROWS x 2 hold sums
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 4;
#else
constexpr int LANES = 4, ROWS = 4;
#endif
constexpr int TILE = 56;    // points, a multiple of ROWS; 28 x 28 pixels are 14 tiles
constexpr int COLUMNS = 2;  // vectors whose sums are in registers at once
constexpr int INPUTS = 8;   // rows of a matrix whose gradients are

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Bits __attribute__((vector_size(4 * LANES)));

#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

INLINE Vector load(const float *from) { return *reinterpret_cast<const Vector *>(from); }
INLINE void store(float *to, Vector values) { *reinterpret_cast<Vector *>(to) = values; }
INLINE Vector splat(float value) { return value - Vector{}; }

INLINE float sum(Vector values) {
    float lanes[LANES];
    std::memcpy(lanes, &values, sizeof lanes);
    UNROLL for (int half = LANES / 2; half; half /= 2) {
        UNROLL for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
}

// sin(pi u) and cos(pi u) to 2e-7, for |u| < 2^22: minimax polynomials on what is left when the nearest
// integer, whose parity is the sign, is taken away.
INLINE void sine_and_cosine(Vector u, Vector &sine, Vector &cosine) {
    const Vector rounding = splat(12582912.0f);  // 1.5 * 2^23: adding it leaves an integer in the low bits
    const Vector nearest = u + rounding;
    const Bits sign = (Bits)nearest << 31;
    const Vector x = u - (nearest - rounding), z = x * x;
    Vector s = z * 0.0772201269865036f - 0.5980451703071594f;
    s = s * z + 2.5500314235687256f;
    s = s * z - 5.1677069664001465f;
    s = s * z + 3.141592502593994f;
    Vector c = z * -0.02439671754837036f + 0.23493756353855133f;
    c = c * z - 1.3352121114730835f;
    c = c * z + 4.058709144592285f;
    c = c * z - 4.934802055358887f;
    c = c * z + 1.0f;
    sine = (Vector)((Bits)(s * x) ^ sign);
    cosine = (Vector)((Bits)c ^ sign);
}

// ---- sizes and places, known when compiled

constexpr int sizes[] = {SIZES};
constexpr int LAYERS = sizeof sizes / sizeof *sizes - 1;  // affine ones
constexpr int LAST = LAYERS - 1;
constexpr int D = sizes[0], C = sizes[LAYERS];

constexpr int padded(int size) { return (size + LANES - 1) / LANES * LANES; }
// Columns of what goes into a layer, and of what comes out.
constexpr int inputs(int layer) { return layer ? padded(sizes[layer]) : D; }
constexpr int outputs(int layer) { return padded(sizes[layer + 1]); }
// A layer's parameters: bias (O), then matrix (I, O); of the last layer (C, I), so that points dot its rows.
constexpr int matrix_size(int layer) { return inputs(layer) * (layer == LAST ? C : outputs(layer)); }
constexpr int bias_at(int layer) {
    return layer ? bias_at(layer - 1) + outputs(layer - 1) + padded(matrix_size(layer - 1)) : 0;
}
constexpr int matrix_at(int layer) { return bias_at(layer) + outputs(layer); }
constexpr int PARAMETERS = bias_at(LAYERS);
constexpr int activations_at(int layer) {
    return layer ? activations_at(layer - 1) + TILE * outputs(layer - 1) : 0;
}
constexpr int ACTIVATIONS = activations_at(LAST);

struct alignas(64) Memory {
    float parameters[PARAMETERS], gradient[PARAMETERS], first[PARAMETERS], second[PARAMETERS];
    float phases[PARAMETERS];     // parameters times omega / pi: layers compute u of sin(pi u)
    float transposed[PARAMETERS]; // hidden matrices times omega, as (O, I)
    float sines[ACTIVATIONS], cosines[ACTIVATIONS]; // the second become derivatives of the loss, going back
    float coordinates[TILE * D], targets[TILE * C];
};

extern "C" struct Settings {
    int64_t steps, points;
    float omega_0, omega_hidden;
    float beta1, beta2, eps;
    float enough;        // the mean squared error at which a field is done
    const float *rates;  // (steps,), the learning rate over 1 - beta1^t
    const float *roots;  // (steps,), 1 over the root of 1 - beta2^t
};

// ---- layers

// V vectors of columns of in (points, I) @ matrix (I, O) + bias, handed to `finish` a vector at a time.
template <int I, int O, int V, class Finish>
INLINE void multiply(const float *in, const float *matrix, const float *bias, int from, int points,
                     Finish finish) {
    for (int t = 0; t < points; t += ROWS) {
        Vector sums[ROWS][V];
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int v = 0; v < V; v++) sums[r][v] = bias ? load(bias + from + v * LANES) : Vector{};
        }
        for (int i = 0; i < I; i++) {
            Vector row[V];
            UNROLL for (int v = 0; v < V; v++) row[v] = load(matrix + i * O + from + v * LANES);
            UNROLL for (int r = 0; r < ROWS; r++) {
                const float x = in[(t + r) * I + i];
                UNROLL for (int v = 0; v < V; v++) sums[r][v] += x * row[v];
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            UNROLL for (int v = 0; v < V; v++) finish((t + r) * O + from + v * LANES, sums[r][v]);
        }
    }
}

template <int I, int O, class Finish>
INLINE void multiply_all(const float *in, const float *matrix, const float *bias, int points, Finish finish) {
    constexpr int block = COLUMNS * LANES, whole = O / block * block;
    for (int from = 0; from < whole; from += block)
        multiply<I, O, COLUMNS>(in, matrix, bias, from, points, finish);
    if constexpr (whole < O) multiply<I, O, (O - whole) / LANES>(in, matrix, bias, whole, points, finish);
}

// gradient (B, O) += in[:, :B]^T @ derivatives (points, O), for V vectors of columns.
template <int B, int I, int O, int V>
INLINE void add_outer(const float *in, const float *derivatives, float *gradient, int from, int points) {
    Vector sums[B][V];
    UNROLL for (int i = 0; i < B; i++) {
        UNROLL for (int v = 0; v < V; v++) sums[i][v] = load(gradient + i * O + from + v * LANES);
    }
    for (int t = 0; t < points; t++) {
        Vector d[V];
        UNROLL for (int v = 0; v < V; v++) d[v] = load(derivatives + t * O + from + v * LANES);
        UNROLL for (int i = 0; i < B; i++) {
            const float x = in[t * I + i];
            UNROLL for (int v = 0; v < V; v++) sums[i][v] += x * d[v];
        }
    }
    UNROLL for (int i = 0; i < B; i++) {
        UNROLL for (int v = 0; v < V; v++) store(gradient + i * O + from + v * LANES, sums[i][v]);
    }
}

template <int I, int O, int V>
INLINE void add_columns(const float *in, const float *d, float *g, int from, int points) {
    constexpr int whole = I / INPUTS * INPUTS;
    for (int i = 0; i < whole; i += INPUTS) add_outer<INPUTS, I, O, V>(in + i, d, g + i * O, from, points);
    if constexpr (whole < I) add_outer<I - whole, I, O, V>(in + whole, d, g + whole * O, from, points);
}

// The gradients of a hidden layer: matrix += in^T @ derivatives, bias += the sum of derivatives.
template <int I, int O>
INLINE void add_gradients(const float *in, const float *derivatives, float *bias, float *matrix, int points) {
    constexpr int block = COLUMNS * LANES, whole = O / block * block;
    for (int from = 0; from < whole; from += block)
        add_columns<I, O, COLUMNS>(in, derivatives, matrix, from, points);
    if constexpr (whole < O) add_columns<I, O, (O - whole) / LANES>(in, derivatives, matrix, whole, points);
    Vector sums[O / LANES];
    UNROLL for (int v = 0; v < O / LANES; v++) sums[v] = load(bias + v * LANES);
    for (int t = 0; t < points; t++) {
        UNROLL for (int v = 0; v < O / LANES; v++) sums[v] += load(derivatives + t * O + v * LANES);
    }
    UNROLL for (int v = 0; v < O / LANES; v++) store(bias + v * LANES, sums[v]);
}

// ---- a field, tile by tile

template <int LAYER> INLINE void forward(Memory &m, int points) {
    if constexpr (LAYER < LAST) {
        const float *in = LAYER ? m.sines + activations_at(LAYER ? LAYER - 1 : 0) : m.coordinates;
        float *sines = m.sines + activations_at(LAYER), *cosines = m.cosines + activations_at(LAYER);
        multiply_all<inputs(LAYER), outputs(LAYER)>(
            in, m.phases + matrix_at(LAYER), m.phases + bias_at(LAYER), points, [&](int at, Vector u) {
                Vector sine, cosine;
                sine_and_cosine(u, sine, cosine);
                store(sines + at, sine);
                store(cosines + at, cosine);
            });
        forward<LAYER + 1>(m, points);
    }
}

// The sum of squared errors of a tile; leaves derivatives by the last phases, and the last layer's gradients.
INLINE double last_layer(Memory &m, int points, float scale) {
    constexpr int I = inputs(LAST), V = I / LANES;
    const float *sines = m.sines + activations_at(LAST - 1);
    float *cosines = m.cosines + activations_at(LAST - 1);
    const float *matrix = m.parameters + matrix_at(LAST), *bias = m.parameters + bias_at(LAST);
    float *matrix_gradient = m.gradient + matrix_at(LAST), *bias_gradient = m.gradient + bias_at(LAST);
    float total = 0;
    for (int t = 0; t < points; t++) {
        Vector sine[V], back[V];
        UNROLL for (int v = 0; v < V; v++) sine[v] = load(sines + t * I + v * LANES), back[v] = Vector{};
        for (int c = 0; c < C; c++) {
            Vector products = sine[0] * load(matrix + c * I);
            UNROLL for (int v = 1; v < V; v++) products += sine[v] * load(matrix + c * I + v * LANES);
            const float error = sum(products) + bias[c] - m.targets[t * C + c];
            total += error * error;
            const float slope = scale * error;
            bias_gradient[c] += slope;
            UNROLL for (int v = 0; v < V; v++) {
                const int at = c * I + v * LANES;
                back[v] += slope * load(matrix + at);
                store(matrix_gradient + at, load(matrix_gradient + at) + slope * sine[v]);
            }
        }
        UNROLL for (int v = 0; v < V; v++) {
            const int at = t * I + v * LANES;
            store(cosines + at, back[v] * load(cosines + at));
        }
    }
    return total;
}

template <int LAYER> INLINE void backward(Memory &m, int points) {
    constexpr int I = inputs(LAYER), O = outputs(LAYER);
    const float *derivatives = m.cosines + activations_at(LAYER);
    float *bias = m.gradient + bias_at(LAYER), *matrix = m.gradient + matrix_at(LAYER);
    if constexpr (LAYER == 0) {
        add_gradients<I, O>(m.coordinates, derivatives, bias, matrix, points);
    } else {
        add_gradients<I, O>(m.sines + activations_at(LAYER - 1), derivatives, bias, matrix, points);
        float *before = m.cosines + activations_at(LAYER - 1);
        const auto times_cosine = [&](int at, Vector back) { store(before + at, back * load(before + at)); };
        multiply_all<O, I>(derivatives, m.transposed + matrix_at(LAYER), nullptr, points, times_cosine);
        backward<LAYER - 1>(m, points);
    }
}

// Mean squared error over all points; the gradient is left in memory, without the omegas of the sines.
static double error_and_gradient(Memory &m, const Settings &set, const float *coordinates,
                                 const float *targets) {
    std::memset(m.gradient, 0, sizeof m.gradient);
    const float scale = 2.0f / (float)(set.points * C);
    double total = 0;
    for (int64_t start = 0; start < set.points; start += TILE) {
        const int points = (int)(set.points - start < TILE ? set.points - start : TILE);
        std::memcpy(m.coordinates, coordinates + start * D, sizeof(float) * points * D);
        std::memcpy(m.targets, targets + start * C, sizeof(float) * points * C);
        const int rows = (points + ROWS - 1) / ROWS * ROWS;  // those beyond the points count nothing
        forward<0>(m, rows);
        total += last_layer(m, points, scale);
        float *derivatives = m.cosines + activations_at(LAST - 1);
        std::memset(derivatives + points * inputs(LAST), 0, sizeof(float) * (rows - points) * inputs(LAST));
        backward<LAST - 1>(m, rows);
    }
    return total / (double)(set.points * C);
}

INLINE float omega_of(const Settings &set, int layer) {
    return layer == LAST ? 1.0f : layer ? set.omega_hidden : set.omega_0;
}

static void prepare_matrices(Memory &m, const Settings &set) {
    for (int layer = 0; layer < LAST; layer++) {
        const float omega = omega_of(set, layer), scale = omega / 3.14159265358979f;
        const int I = inputs(layer), O = outputs(layer), end = matrix_at(layer) + I * O;
        for (int p = bias_at(layer); p < end; p++) m.phases[p] = scale * m.parameters[p];
        if (layer == 0) continue;
        const float *matrix = m.parameters + matrix_at(layer);
        float *transposed = m.transposed + matrix_at(layer);
        for (int i = 0; i < I; i++)
            for (int o = 0; o < O; o++) transposed[o * I + i] = omega * matrix[i * O + o];
    }
}

// One step of Adam (Kingma & Ba, 2015).
static void adam(Memory &m, const Settings &set, int64_t step) {
    for (int layer = 0; layer < LAYERS; layer++) {
        const float omega = omega_of(set, layer);
        const int end = layer == LAST ? PARAMETERS : bias_at(layer + 1);
        for (int p = bias_at(layer); p < end; p++) {
            const float gradient = omega * m.gradient[p];
            m.first[p] = set.beta1 * m.first[p] + (1 - set.beta1) * gradient;
            m.second[p] = set.beta2 * m.second[p] + (1 - set.beta2) * gradient * gradient;
            const float root = std::sqrt(m.second[p]) * set.roots[step] + set.eps;
            m.parameters[p] -= set.rates[step] * m.first[p] / root;
        }
    }
}

// ---- between the caller's rows (bias, then matrix (I, O), layer by layer) and padded memory

template <class Move> static void each_parameter(Move move) {
    int row = 0;
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int o = 0; o < sizes[layer + 1]; o++) move(row++, bias_at(layer) + o);
        for (int i = 0; i < sizes[layer]; i++)
            for (int o = 0; o < sizes[layer + 1]; o++) {
                const int in_matrix = layer == LAST ? o * inputs(layer) + i : i * outputs(layer) + o;
                move(row++, matrix_at(layer) + in_matrix);
            }
    }
}

// Fits fields in place.
//   rows (fields, P); coordinates (points, D), the next field's coordinate_stride floats on;
//   targets (fields, points, C); errors (fields,), mean squared ones at the end; taken (fields,), steps made.
extern "C" void fit_fields(const Settings *settings, int64_t fields, float *rows, const float *coordinates,
                           int64_t coordinate_stride, const float *targets, double *errors, int64_t *taken) {
    const Settings &set = *settings;
    Memory &m = *new Memory;
    int row_size = 0;
    each_parameter([&](int, int) { row_size++; });
    for (int64_t n = 0; n < fields; n++) {
        float *row = rows + n * row_size;
        std::memset(&m, 0, sizeof m);
        each_parameter([&](int from, int to) { m.parameters[to] = row[from]; });
        int64_t step = 0;
        for (;; step++) {
            prepare_matrices(m, set);
            errors[n] = error_and_gradient(m, set, coordinates + n * coordinate_stride,
                                           targets + n * set.points * C);
            if (step == set.steps || errors[n] <= set.enough) break;
            adam(m, set, step);
        }
        taken[n] = step;
        each_parameter([&](int to, int from) { row[to] = m.parameters[from]; });
    }
    delete &m;
}
