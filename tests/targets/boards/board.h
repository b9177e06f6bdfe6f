/* What a test program needs of a board: a way to speak, to stop and to count. No libc but its
 * memory functions. */
#ifndef BOARD_H_
#define BOARD_H_

#include <stdint.h>

/* Writes a string that ends with 0. */
void board_write(const char* text);

/* Ends the emulation with this exit status. */
void board_exit(int status);

/* Instructions since the start, when qemu runs with -icount shift=0. To within 40 on ARM. */
uint64_t board_instructions(void);

/* The most bytes of stack that `run` uses. */
uint32_t board_stack_of(void (*run)(void));

#endif /* BOARD_H_ */
