// How many int8 products a second this CPU can sum, from the first-level cache.
//
//     cc -O3 -pthread benchmarks/limit.c -o limit && ./limit THREADS
//
// Prints "avx2 GMAC/s" and, where there is VNNI, "vnni GMAC/s" of all threads together. Each kernel
// is a matrix product of a few rows and two vectors of columns, with all sums in registers, as in
// the inner loop of a convolution. The AVX2 one saturates sums of pairs: that is the fastest form.
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS = 96, REPEATS = 200, TRIALS = 400 };

static _Thread_local int32_t sink;

// Sums are variables, not an array: GCC would keep that in memory.
#define ROWS6(ROW) ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5)
#define ROWS12(ROW) ROWS6(ROW) ROW(6) ROW(7) ROW(8) ROW(9) ROW(10) ROW(11)

static inline int32_t four(const int8_t* codes) {
  int32_t packed;
  memcpy(&packed, codes, 4);
  return packed;
}

__attribute__((target("avx2"))) static double avx2(const int8_t* a, const int8_t* b) {
  const __m256i ones = _mm256_set1_epi16(1);
#define PRODUCT(x, y) _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones)
#define ZERO(row) __m256i left##row = _mm256_setzero_si256(), right##row = left##row;
#define STEP(row)                                                      \
  {                                                                    \
    const __m256i x = _mm256_set1_epi32(four(a + 24 * k + 4 * row));   \
    left##row = _mm256_add_epi32(left##row, PRODUCT(x, left));         \
    right##row = _mm256_add_epi32(right##row, PRODUCT(x, right));      \
    __asm__("" : "+x"(left##row), "+x"(right##row)); /* in registers */ \
  }
#define TOTAL(row) sink += _mm256_extract_epi32(_mm256_add_epi32(left##row, right##row), 0);
  ROWS6(ZERO)
  for (int repeat = 0; repeat < REPEATS; ++repeat) {
    for (int k = 0; k < STEPS; ++k) {
      const __m256i left = _mm256_load_si256((const __m256i*)(b + 64 * k));
      const __m256i right = _mm256_load_si256((const __m256i*)(b + 64 * k + 32));
      ROWS6(STEP)
    }
  }
  ROWS6(TOTAL)
#undef ZERO
#undef STEP
#undef TOTAL
  return 6.0 * 64 * STEPS * REPEATS;
}

__attribute__((target("avx512f,avx512vnni"))) static double vnni(const int8_t* a,
                                                                const int8_t* b) {
// Around the intrinsic, GCC 12 copies each sum and stores it.
#define DPBUSD(sum, x, y) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y))
#define ZERO(row) __m512i left##row = _mm512_setzero_si512(), right##row = left##row;
#define STEP(row)                                                      \
  {                                                                    \
    const __m512i x = _mm512_set1_epi32(four(a + 48 * k + 4 * row));   \
    DPBUSD(left##row, x, left);                                        \
    DPBUSD(right##row, x, right);                                      \
  }
#define TOTAL(row) sink += _mm512_reduce_add_epi32(_mm512_add_epi32(left##row, right##row));
  ROWS12(ZERO)
  for (int repeat = 0; repeat < REPEATS; ++repeat) {
    for (int k = 0; k < STEPS; ++k) {
      const __m512i left = _mm512_load_si512(b + 128 * k);
      const __m512i right = _mm512_load_si512(b + 128 * k + 64);
      ROWS12(STEP)
    }
  }
  ROWS12(TOTAL)
  return 12.0 * 128 * STEPS * REPEATS;
}

typedef double Kernel(const int8_t*, const int8_t*);

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct {
  Kernel* kernel;
  double rate;
} Job;

// The best of many short trials: the machine may have other work.
static void* run(void* argument) {
  Job* job = argument;
  _Alignas(64) static _Thread_local int8_t a[STEPS * 48], b[STEPS * 128];
  for (size_t i = 0; i < sizeof a; ++i) a[i] = (int8_t)(i * 7);
  for (size_t i = 0; i < sizeof b; ++i) b[i] = (int8_t)(i * 13);
  for (int trial = 0; trial < TRIALS; ++trial) {
    const double start = seconds();
    const double products = job->kernel(a, b);
    const double rate = products / (seconds() - start);
    if (rate > job->rate) job->rate = rate;
  }
  return NULL;
}

static double of_threads(Kernel* kernel, int threads) {
  enum { MOST = 256 };
  static Job jobs[MOST];
  pthread_t handles[MOST];
  double rate = 0;
  if (threads > MOST) threads = MOST;
  for (int i = 0; i < threads; ++i) {
    jobs[i] = (Job){kernel, 0};
    if (pthread_create(&handles[i], NULL, run, &jobs[i])) exit(1);
  }
  for (int i = 0; i < threads; ++i) {
    pthread_join(handles[i], NULL);
    rate += jobs[i].rate;
  }
  return rate / 1e9;
}

int main(int count, char** arguments) {
  const int threads = count > 1 ? atoi(arguments[1]) : 1;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) printf("avx2 %.1f\n", of_threads(avx2, threads));
  if (__builtin_cpu_supports("avx512vnni")) printf("vnni %.1f\n", of_threads(vnni, threads));
  return sink == 1;
}
