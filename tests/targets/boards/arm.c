/* Start, output by semihosting, and SysTick as a clock, for the Cortex-M boards of qemu. */
#include <stddef.h>
#include <string.h>

#include "board.h"

extern uint32_t stack_top[];
extern uint8_t data_start[], data_end[], data_load[], bss_start[], bss_end[];

int main(void);
void reset_handler(void);
void systick_handler(void);
static void fault_handler(void);

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler vectors[16] = {
    (handler)(uintptr_t)stack_top, reset_handler, fault_handler, fault_handler,
    fault_handler, fault_handler, fault_handler, fault_handler,
    fault_handler, fault_handler, fault_handler, fault_handler,
    fault_handler, fault_handler, fault_handler, systick_handler,
};

#define REGISTER(address) (*(volatile uint32_t*)(address))
#define SYSTICK_CONTROL REGISTER(0xe000e010u)
#define SYSTICK_RELOAD REGISTER(0xe000e014u)
#define SYSTICK_VALUE REGISTER(0xe000e018u)
#define COPROCESSORS REGISTER(0xe000ed88u)

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, STOPPED_BY_APPLICATION = 0x20026 };

static void semihost(uint32_t operation, const void* argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_write(const char* text) { semihost(SYS_WRITE0, text); }

void board_exit(int status) {
  const uint32_t block[2] = {STOPPED_BY_APPLICATION, (uint32_t)status};
  semihost(SYS_EXIT_EXTENDED, block);
  for (;;) {
  }
}

static void fault_handler(void) {
  board_write("fault\n");
  board_exit(3);
}

static volatile uint32_t wraps; /* of SysTick's 24 bits */

void systick_handler(void) { ++wraps; }

uint64_t board_instructions(void) {
  uint32_t before = 0, value = 0;
  do {
    before = wraps;
    value = (0u - SYSTICK_VALUE) & 0xffffffu; /* it starts at 0 and counts down */
  } while (before != wraps);
  /* One instruction takes a nanosecond of qemu's time. */
  return (((uint64_t)before << 24) + value) * 1000u / BOARD_MHZ;
}

void reset_handler(void) {
  COPROCESSORS |= 0xfu << 20; /* the floating-point unit, whose registers Helium uses */
  memcpy(data_start, data_load, (size_t)(data_end - data_start));
  memset(bss_start, 0, (size_t)(bss_end - bss_start));
  SYSTICK_RELOAD = 0xffffffu;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 7; /* the processor's clock, with interrupts */
  board_exit(main());
}
