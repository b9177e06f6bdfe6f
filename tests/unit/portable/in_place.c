/* Runs each portable kernel that may write over an input twice, once into other memory, and
 * compares. The exit code is the number of kernels that differ; their names are printed. */
#include <stdio.h>
#include <string.h>

#include "intact_kernels.h"

enum { CHANNELS = 5, ROWS = 41, COUNT = ROWS * CHANNELS }; /* more than one block, and a part */

static const int32_t multiplier[CHANNELS] = {1 << 30, 1500000000, 1200000000, 2000000000, 1 << 30};
static const int32_t shift[CHANNELS] = {-1, 0, -2, 1, -3};
static const int32_t byte_low = -128, byte_high = 127, word_low = -32768, word_high = 32767;
static int32_t table[513];
static int8_t byte_table[256];
static int16_t sources[2][COUNT];

static intact_requant requant(intact_type out) {
  const int is_byte = out == INTACT_INT8;
  const intact_requant made = {multiplier, shift, CHANNELS, is_byte ? &byte_low : &word_low,
                               is_byte ? &byte_high : &word_high, 1, 3, 0};
  return made;
}

typedef struct {
  const char* name;
  intact_type x, out;
  void (*run)(const void* x, const void* other, void* y, intact_type x_type, intact_type out_type);
} test_case;

static void run_requantize(const void* x, const void* other, void* y, intact_type x_type,
                           intact_type out_type) {
  const intact_requant r = requant(out_type);
  (void)other;
  intact_requantize_codes(&r, -3, x, x_type, y, out_type, 0, COUNT);
}

static void grid_of(intact_grid* grid, int broadcast) {
  const int32_t all[2] = {ROWS, CHANNELS}, row[1] = {CHANNELS};
  intact_broadcast(grid, all, 2, broadcast ? row : all, broadcast ? 1 : 2);
}

static void sum(const void* a, const void* b, void* y, int broadcast, intact_type x_type,
                intact_type out_type) {
  const intact_operand operand = {2, 1 << 30, -1};
  const intact_sum_params params = {operand, operand, x_type == INTACT_INT8 ? 20 : 15, 0,
                                    requant(out_type), x_type, x_type, out_type};
  intact_grid grid;
  grid_of(&grid, broadcast);
  intact_sum(a, b, y, &grid, &params, 0, COUNT);
}

static void run_sum(const void* x, const void* other, void* y, intact_type x_type,
                    intact_type out_type) {
  sum(x, other, y, 0, x_type, out_type);
}

static void run_sum_row(const void* x, const void* other, void* y, intact_type x_type,
                        intact_type out_type) {
  sum(x, other, y, 1, x_type, out_type);
}

static void run_sum_itself(const void* x, const void* other, void* y, intact_type x_type,
                           intact_type out_type) {
  (void)other;
  sum(x, x, y, 0, x_type, out_type);
}

static void run_mul(const void* x, const void* other, void* y, intact_type x_type,
                    intact_type out_type) {
  const intact_mul_params params = {1, -1, requant(out_type), x_type, x_type, out_type};
  intact_grid grid;
  grid_of(&grid, 0);
  intact_mul(other, x, y, &grid, &params, 0, COUNT); /* the second operand is written over */
}

static void run_prelu(const void* x, const void* other, void* y, intact_type x_type,
                      intact_type out_type) {
  const intact_prelu_params params = {1,      2,      CHANNELS, requant(out_type), requant(out_type),
                                      x_type, x_type, out_type};
  intact_prelu(x, other, y, &params, 0, COUNT);
}

static void run_lookup(const void* x, const void* other, void* y, intact_type x_type,
                       intact_type out_type) {
  (void)other, (void)x_type, (void)out_type;
  intact_lookup(x, byte_table, y, 1, 0, COUNT);
}

static void run_interpolated(const void* x, const void* other, void* y, intact_type x_type,
                             intact_type out_type) {
  const intact_interpolated_lookup_params params = {table,     16,        word_low, word_high,
                                                    byte_low, byte_high, x_type,   out_type};
  (void)other;
  intact_interpolated_lookup(x, y, &params, 0, COUNT);
}

static void run_softmax(const void* x, const void* other, void* y, intact_type x_type,
                        intact_type out_type) {
  static int32_t exponentials[256];
  const intact_softmax_params params = {exponentials, CHANNELS, 8, -128, 127, x_type, out_type};
  (void)other;
  intact_softmax_table(1 << 30, 22, -248, exponentials);
  intact_softmax(x, y, &params, 0, ROWS);
}

static void run_softmax16(const void* x, const void* other, void* y, intact_type x_type,
                          intact_type out_type) {
  static int32_t exponentials[513], reciprocals[513];
  const intact_softmax16_params params = {1 << 30, 1,  exponentials, reciprocals,
                                          CHANNELS, 16, x_type,       out_type};
  (void)other;
  for (int32_t i = 0; i < 513; ++i) {
    exponentials[i] = 16384 + 31 * i;
    reciprocals[i] = 32767 - 31 * i;
  }
  intact_softmax16(x, y, &params, 0, ROWS);
}

static intact_normalization normalization(intact_type x_type, intact_type out_type) {
  static const int8_t signs[COUNT] = {1, -1, 1, 0, -1};
  static int32_t gains[COUNT], shifts[COUNT], beta[COUNT];
  static const int32_t low = INT32_MIN, high = INT32_MAX;
  const int is_byte = out_type == INTACT_INT8;
  intact_normalization made;
  for (int32_t i = 0; i < COUNT; ++i) {
    gains[i] = (1 << 30) + 1000 * i;
    shifts[i] = -6;
    beta[i] = 10 * i;
  }
  made.epsilon = 1 << 20;
  made.gain_sign = signs;
  made.gain.multiplier = gains;
  made.gain.shift = shifts;
  made.gain.channels = CHANNELS;
  made.gain.qmin = &low;
  made.gain.qmax = &high;
  made.gain.clamps = 1;
  made.gain.zero_point = 0;
  made.gain.wide = 0;
  made.beta = beta;
  made.zero_point = 1;
  made.qmin = is_byte ? byte_low : word_low;
  made.qmax = is_byte ? byte_high : word_high;
  made.x_type = x_type;
  made.out_type = out_type;
  return made;
}

static void run_layer_norm(const void* x, const void* other, void* y, intact_type x_type,
                           intact_type out_type) {
  const intact_normalization params = normalization(x_type, out_type);
  (void)other;
  intact_layer_norm(x, y, &params, CHANNELS, 0, ROWS);
}

static void run_group_norm(const void* x, const void* other, void* y, intact_type x_type,
                           intact_type out_type) {
  const intact_normalization params = normalization(x_type, out_type);
  const intact_group_norm_shape shape = {ROWS, CHANNELS, CHANNELS};
  (void)other;
  intact_group_norm(x, y, &params, &shape, 0, CHANNELS);
}

static const test_case cases[] = {
    {"requantize", INTACT_INT8, INTACT_INT8, run_requantize},
    {"requantize16", INTACT_INT16, INTACT_INT16, run_requantize},
    {"requantize16to8", INTACT_INT16, INTACT_INT8, run_requantize},
    {"sum", INTACT_INT8, INTACT_INT8, run_sum},
    {"sum16", INTACT_INT16, INTACT_INT16, run_sum},
    {"sum16to8", INTACT_INT16, INTACT_INT8, run_sum},
    {"sum_row", INTACT_INT8, INTACT_INT8, run_sum_row},
    {"sum_row16to8", INTACT_INT16, INTACT_INT8, run_sum_row},
    {"sum_itself", INTACT_INT8, INTACT_INT8, run_sum_itself},
    {"mul", INTACT_INT8, INTACT_INT8, run_mul},
    {"mul16to8", INTACT_INT16, INTACT_INT8, run_mul},
    {"prelu", INTACT_INT8, INTACT_INT8, run_prelu},
    {"prelu16to8", INTACT_INT16, INTACT_INT8, run_prelu},
    {"lookup", INTACT_INT8, INTACT_INT8, run_lookup},
    {"interpolated", INTACT_INT16, INTACT_INT16, run_interpolated},
    {"interpolated16to8", INTACT_INT16, INTACT_INT8, run_interpolated},
    {"softmax", INTACT_INT8, INTACT_INT8, run_softmax},
    {"softmax16", INTACT_INT16, INTACT_INT16, run_softmax16},
    {"layer_norm", INTACT_INT8, INTACT_INT8, run_layer_norm},
    {"layer_norm16to8", INTACT_INT16, INTACT_INT8, run_layer_norm},
    {"group_norm", INTACT_INT8, INTACT_INT8, run_group_norm},
    {"group_norm16", INTACT_INT16, INTACT_INT16, run_group_norm},
};

static int differs(const test_case* test) {
  static int16_t apart[COUNT], in_place[COUNT];
  memcpy(in_place, sources[0], sizeof in_place);
  test->run(sources[0], sources[1], apart, test->x, test->out);
  test->run(in_place, sources[1], in_place, test->x, test->out);
  return memcmp(apart, in_place, COUNT * intact_size(test->out)) != 0;
}

int main(void) {
  int failures = 0;
  uint32_t state = 1;
  for (int32_t i = 0; i < 513; ++i) table[i] = 60 * i - 15000;
  for (int32_t i = 0; i < 256; ++i) byte_table[i] = (int8_t)(i * 7 % 256 - 128);
  for (int32_t i = 0; i < 2; ++i) {
    for (int32_t j = 0; j < COUNT; ++j) {
      state = state * 1664525u + 1013904223u;
      sources[i][j] = (int16_t)(int32_t)((state >> 16) % 65536u - 32768u);
    }
  }
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    if (differs(&cases[i])) {
      printf("%s\n", cases[i].name);
      ++failures;
    }
  }
  return failures;
}
