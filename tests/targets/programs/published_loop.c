/* A pointwise convolution by the published loop of CMSIS-NN (Lai, Suda and Chandra 2018, section 3:
 * two windows widened to 16 bits, then products of two rows of weights with both), written anew,
 * and by intact_conv2d: instructions of each, and whether their codes agree. */
#include "board.h"
#include "intact_kernels.h"
#include "output.h"

enum { SIDE = 12, PIXELS = SIDE * SIDE, DEPTH = 64, OUTPUTS = 64, ZERO_POINT = 3 };

static int8_t x[PIXELS * DEPTH], weight[OUTPUTS * DEPTH];
static int8_t published[PIXELS * OUTPUTS], own[PIXELS * OUTPUTS];
static int32_t bias[OUTPUTS], multiplier[OUTPUTS];
static INTACT_SHIFT shift[OUTPUTS];
static const int32_t qmin = INT8_MIN, qmax = INT8_MAX;
static const intact_requant requant = {multiplier, shift, OUTPUTS, &qmin, &qmax, 1, -5, 0};

#if INTACT_DSP
static uint32_t windows[2][DEPTH / 2]; /* pairs of 16-bit codes, less the zero point */

static void widen(const int8_t* codes, uint32_t* out) {
  const uint32_t centre = intact_dsp_halves(-ZERO_POINT);
  for (int i = 0; i < DEPTH; i += 4, out += 2) {
    const uint32_t word = intact_dsp_load(codes + i);
    out[0] = intact_dsp_even_plus(centre, word);
    out[1] = intact_dsp_odd_plus(centre, word);
  }
}

/* Two rows of weights with two windows. */
static void multiply(const int8_t* row, int32_t* sums) {
  int32_t sum0 = sums[0], sum1 = sums[1], sum2 = sums[2], sum3 = sums[3];
  for (int i = 0; i < DEPTH / 2; i += 2, row += 4) {
    const uint32_t taps0 = intact_dsp_load(row), taps1 = intact_dsp_load(row + DEPTH);
    const uint32_t even0 = intact_dsp_even(taps0), odd0 = intact_dsp_odd(taps0);
    const uint32_t even1 = intact_dsp_even(taps1), odd1 = intact_dsp_odd(taps1);
    const uint32_t a = windows[0][i], b = windows[0][i + 1];
    const uint32_t c = windows[1][i], d = windows[1][i + 1];
    sum0 = intact_dsp_dot(b, odd0, intact_dsp_dot(a, even0, sum0));
    sum1 = intact_dsp_dot(d, odd0, intact_dsp_dot(c, even0, sum1));
    sum2 = intact_dsp_dot(b, odd1, intact_dsp_dot(a, even1, sum2));
    sum3 = intact_dsp_dot(d, odd1, intact_dsp_dot(c, even1, sum3));
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

static __attribute__((noinline)) void run_published(void) {
  for (int p = 0; p < PIXELS; p += 2) {
    int8_t* out = published + p * OUTPUTS;
    widen(x + p * DEPTH, windows[0]);
    widen(x + (p + 1) * DEPTH, windows[1]);
    for (int o = 0; o < OUTPUTS; o += 2) {
      int32_t sums[4] = {bias[o], bias[o], bias[o + 1], bias[o + 1]};
      multiply(weight + o * DEPTH, sums);
      out[o] = (int8_t)intact_requantize_narrow(sums[0], &requant, o);
      out[o + OUTPUTS] = (int8_t)intact_requantize_narrow(sums[1], &requant, o);
      out[o + 1] = (int8_t)intact_requantize_narrow(sums[2], &requant, o + 1);
      out[o + 1 + OUTPUTS] = (int8_t)intact_requantize_narrow(sums[3], &requant, o + 1);
    }
  }
}
#else
static void run_published(void) {}
#endif

static __attribute__((noinline)) void run_own(void) {
  const intact_conv conv = {1, SIDE, SIDE, DEPTH, SIDE, SIDE, OUTPUTS, 1, 1, 1, 1, 0, 0, 1, 1, 1,
                            {INTACT_INT8, INTACT_INT8, ZERO_POINT, 0}};
  const intact_finish finish = {bias, 0, &requant, own, INTACT_INT8};
  intact_conv2d(&conv, x, weight, &finish, 0, SIDE);
}

int main(void) {
  uint32_t seed = 1;
  for (uint32_t i = 0; i < sizeof x; ++i) x[i] = (int8_t)((seed = seed * 1664525u + 1u) >> 24);
  for (uint32_t i = 0; i < sizeof weight; ++i) {
    weight[i] = (int8_t)((seed = seed * 1664525u + 1u) >> 24);
  }
  for (int32_t o = 0; o < OUTPUTS; ++o) {
    bias[o] = 100 * o;
    multiplier[o] = (1 << 30) + o;
    shift[o] = -9;
  }
  const uint64_t start = board_instructions();
  run_published();
  const uint64_t middle = board_instructions();
  run_own();
  const uint64_t end = board_instructions();
  write_number("published", middle - start);
  write_number("own", end - middle);
  write_number("equal", INTACT_DSP && memcmp(published, own, sizeof own) == 0);
  write_number("products", (uint64_t)PIXELS * DEPTH * OUTPUTS);
  return 0;
}
