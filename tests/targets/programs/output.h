/* Lines of a test program: the board's way out, or a host's. */
#ifndef OUTPUT_H_
#define OUTPUT_H_

#include <stdint.h>

#ifdef HOST
#include <stdio.h>
static inline void write_text(const char* text) { fputs(text, stdout); }
#else
#include "board.h"
static inline void write_text(const char* text) { board_write(text); }
#endif

/* name, a space, the number in hexadecimal, a new line. */
static inline void write_number(const char* name, uint64_t number) {
  char digits[18] = "0000000000000000\n";
  for (int i = 15; i >= 0; --i, number >>= 4) digits[i] = "0123456789abcdef"[number & 15];
  write_text(name);
  write_text(" ");
  write_text(digits);
}

/* Fowler, Noll and Vo's hash (FNV-1a, 32 bits) of more bytes. */
static inline uint32_t hash_bytes(uint32_t hash, const void* data, uint32_t size) {
  const uint8_t* bytes = (const uint8_t*)data;
  for (uint32_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

#endif /* OUTPUT_H_ */
