/* Short rows of codes as int32 on the stack: one loop per type loads or stores them, so that an
 * operation's arithmetic exists once and not for every combination of types. */
#ifndef INTACT_BLOCK_H_
#define INTACT_BLOCK_H_

#include "intact_fixedpoint.h"

enum { INTACT_BLOCK = 64 }; /* elements: small on a microcontroller's stack, long for vectors */

INTACT_ALWAYS_INLINE void intact_load_block_body(const void* x, intact_type type, size_t first,
                                                 size_t stride, size_t count, int32_t* out) {
  if (stride == 1) {
    for (size_t i = 0; i < count; ++i) out[i] = intact_load(x, type, first + i);
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = intact_load(x, type, first + i * stride);
  }
}

/* out[i] = x[first + i * stride]; stride 0 repeats one code. */
INTACT_INLINE void intact_load_block(const void* x, intact_type type, size_t first, size_t stride,
                                     size_t count, int32_t* out) {
  switch (INTACT_CODES(type)) {
    case INTACT_INT8:
      intact_load_block_body(x, INTACT_INT8, first, stride, count, out);
      break;
    case INTACT_UINT8:
      intact_load_block_body(x, INTACT_UINT8, first, stride, count, out);
      break;
    case INTACT_INT16:
      intact_load_block_body(x, INTACT_INT16, first, stride, count, out);
      break;
    case INTACT_UINT16:
      intact_load_block_body(x, INTACT_UINT16, first, stride, count, out);
      break;
    case INTACT_INT32:
      intact_load_block_body(x, INTACT_INT32, first, stride, count, out);
      break;
    case INTACT_INT4:
    case INTACT_INT4_HIGH:
      break; /* not the type of an activation */
  }
}

INTACT_ALWAYS_INLINE void intact_store_block_body(void* y, intact_type type, size_t first,
                                                  size_t count, const int32_t* codes) {
  for (size_t i = 0; i < count; ++i) intact_store(y, type, first + i, codes[i]);
}

/* y[first + i] = codes[i], which fit the type. */
INTACT_INLINE void intact_store_block(void* y, intact_type type, size_t first, size_t count,
                                      const int32_t* codes) {
  switch (INTACT_CODES(type)) {
    case INTACT_INT8:
      intact_store_block_body(y, INTACT_INT8, first, count, codes);
      break;
    case INTACT_UINT8:
      intact_store_block_body(y, INTACT_UINT8, first, count, codes);
      break;
    case INTACT_INT16:
      intact_store_block_body(y, INTACT_INT16, first, count, codes);
      break;
    case INTACT_UINT16:
      intact_store_block_body(y, INTACT_UINT16, first, count, codes);
      break;
    case INTACT_INT32:
      intact_store_block_body(y, INTACT_INT32, first, count, codes);
      break;
    case INTACT_INT4:
    case INTACT_INT4_HIGH:
      break; /* not the type of an activation */
  }
}

INTACT_ALWAYS_INLINE void intact_add_block_body(const void* x, intact_type type, size_t first,
                                                size_t count, int32_t* sums) {
  for (size_t i = 0; i < count; ++i) sums[i] += intact_load(x, type, first + i);
}

/* sums[i] += x[first + i]. */
INTACT_INLINE void intact_add_block(const void* x, intact_type type, size_t first, size_t count,
                                    int32_t* sums) {
  switch (INTACT_CODES(type)) {
    case INTACT_INT8:
      intact_add_block_body(x, INTACT_INT8, first, count, sums);
      break;
    case INTACT_UINT8:
      intact_add_block_body(x, INTACT_UINT8, first, count, sums);
      break;
    case INTACT_INT16:
      intact_add_block_body(x, INTACT_INT16, first, count, sums);
      break;
    case INTACT_UINT16:
      intact_add_block_body(x, INTACT_UINT16, first, count, sums);
      break;
    default:
      break; /* not the type of an activation */
  }
}

/* y[first + i] = requant(acc[i]) (eq. 15); `first` also tells the channel, as y's last axis holds
 * them all. */
INTACT_INLINE void intact_requantize_block(const int64_t* acc, size_t count,
                                           const intact_requant* requant, void* y, intact_type type,
                                           size_t first) {
  const int32_t more = requant->channels > requant->clamps ? requant->channels : requant->clamps;
  const size_t channels = (size_t)more;
  int32_t codes[INTACT_BLOCK];
  size_t channel = channels == 1 ? 0 : first % channels;
  if (channels == 1) {
    for (size_t i = 0; i < count; ++i) codes[i] = intact_requantize(acc[i], requant, 0);
  } else {
    for (size_t i = 0; i < count; ++i) {
      codes[i] = intact_requantize(acc[i], requant, (int32_t)channel);
      if (++channel == channels) channel = 0;
    }
  }
  intact_store_block(y, type, first, count, codes);
}

#endif /* INTACT_BLOCK_H_ */
