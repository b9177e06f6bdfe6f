/* Random convolutions, depthwise convolutions and linear layers of 8-bit codes: a hash of the codes
 * of each. The same numbers must come out of every target, with SIMD and without. */
#include <stddef.h>

#include "intact_kernels.h"
#include "output.h"

enum { LAYERS = 150, CHANNELS = 72, CODES = 20000, WEIGHTS = 60000 };

static int8_t x[CODES], weight[WEIGHTS], y[CODES];
static int32_t bias[CHANNELS], multiplier[CHANNELS], shift[CHANNELS];
static int32_t qmin[CHANNELS], qmax[CHANNELS];
static uint32_t seed = 1;

/* A number from low to high, by a linear congruential generator. */
static int32_t between(int32_t low, int32_t high) {
  seed = seed * 1664525u + 1013904223u;
  return low + (int32_t)((seed >> 8) % (uint32_t)(high - low + 1));
}

static void fill(int8_t* codes, size_t count, int extreme) {
  for (size_t i = 0; i < count; ++i) codes[i] = (int8_t)(extreme ? -128 : between(-128, 127));
}

/* Among them the rare: left shifts, long right shifts, dead channels, narrow ranges. */
static intact_requant draw_requant(int32_t channels) {
  for (int32_t i = 0; i < CHANNELS; ++i) {
    bias[i] = between(-50000, 50000);
    multiplier[i] = (1 << 30) + between(0, 0xffffff) * 64;
    shift[i] = between(0, 20) == 0 ? between(-31, 3) : between(-13, -4);
    if (between(0, 20) == 0) multiplier[i] = between(0, 1) * between(1, 1 << 20);
    qmin[i] = between(-128, -60);
    qmax[i] = between(60, 127);
  }
  if (between(0, 1) == 0) {
    qmin[0] = INT8_MIN;
    qmax[0] = INT8_MAX;
  }
  intact_requant requant = {multiplier, shift, 1, qmin, qmax, 1, 0, 0};
  if (between(0, 2) != 0) requant.channels = channels;
  if (between(0, 2) == 0) requant.clamps = channels;
  requant.zero_point = between(-128, 127);
  return requant;
}

static intact_conv draw_conv(int depthwise) {
  const int square = between(0, 2);
  intact_conv conv;
  conv.n = between(1, 2);
  conv.c = between(1, depthwise ? 40 : 24);
  conv.o = depthwise ? conv.c : between(1, CHANNELS);
  conv.groups = depthwise ? conv.c : 1;
  if (!depthwise && conv.c % 2 == 0 && conv.o % 2 == 0 && between(0, 9) == 0) conv.groups = 2;
  conv.kh = square == 0 ? 1 : square == 1 ? 3 : between(1, 4);
  conv.kw = square == 2 ? between(1, 4) : conv.kh;
  conv.stride_h = between(1, 2);
  conv.stride_w = between(1, 2);
  conv.dilation_h = between(0, 3) == 0 ? 2 : 1;
  conv.dilation_w = between(0, 3) == 0 ? 2 : 1;
  conv.pad_top = between(0, 3);
  conv.pad_left = between(0, 3);
  conv.h = between(1, 8);
  conv.w = between(1, 8);
  const int32_t rows = conv.h + conv.pad_top + between(0, 2) - (conv.kh - 1) * conv.dilation_h;
  const int32_t columns = conv.w + conv.pad_left + between(0, 2) - (conv.kw - 1) * conv.dilation_w;
  conv.oh = rows > 0 ? (rows - 1) / conv.stride_h + 1 : 0;
  conv.ow = columns > 0 ? (columns - 1) / conv.stride_w + 1 : 0;
  conv.factors.x_type = INTACT_INT8;
  conv.factors.weight_type = INTACT_INT8;
  conv.factors.zero_point = between(-128, 127);
  conv.factors.wide = 0;
  return conv;
}

static void write_codes(const char* name, size_t count) {
  write_number(name, hash_bytes(2166136261u, y, (uint32_t)count));
}

int main(void) {
  for (int layer = 0; layer < LAYERS; ++layer) {
    const int depthwise = between(0, 2) == 0;
    const intact_conv conv = draw_conv(depthwise);
    const size_t rows = (size_t)conv.n * (size_t)conv.oh;
    const intact_requant requant = draw_requant(conv.o);
    const intact_finish finish = {bias, 0, &requant, y, INTACT_INT8};
    const int32_t inputs = between(1, 300);
    fill(x, CODES, between(0, 6) == 0);
    fill(weight, WEIGHTS, between(0, 6) == 0);
    if (depthwise) {
      intact_depthwise_conv2d(&conv, x, weight, &finish, 0, rows);
      write_codes("depthwise", rows * (size_t)conv.ow * (size_t)conv.o);
    } else {
      intact_conv2d(&conv, x, weight, &finish, 0, rows);
      write_codes("conv", rows * (size_t)conv.ow * (size_t)conv.o);
    }
    const int32_t samples = between(1, 4);
    intact_linear(&conv.factors, inputs, conv.o, x + 1, weight + 3, &finish, 0,
                  intact_linear_blocks((size_t)samples, conv.o));
    write_codes("linear", (size_t)samples * (size_t)conv.o);
  }
  return 0;
}
