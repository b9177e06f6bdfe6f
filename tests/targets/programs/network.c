/* Runs generated C on the samples of samples.h: the codes of all outputs, the self-test's answer,
 * and what a run needs of instructions and stack. */
#include <string.h>

#include "board.h"
#include "model.h"
#include "output.h"

static void write_codes(const void* codes, uint32_t size) {
  const uint8_t* bytes = (const uint8_t*)codes;
  char digits[3] = "00";
  write_text("codes ");
  for (uint32_t i = 0; i < size; ++i) {
    digits[0] = "0123456789abcdef"[bytes[i] >> 4];
    digits[1] = "0123456789abcdef"[bytes[i] & 15];
    write_text(digits);
  }
  write_text("\n");
}

#include "samples.h"

int main(void) {
  for (int i = 0; i < SAMPLES; ++i) {
    load(i);
    const uint64_t before = board_instructions();
    run();
    const uint64_t after = board_instructions();
    write_outputs();
    if (i == 0) write_number("instructions", after - before);
  }
  load(0);
  write_number("stack", board_stack_of(run));
  write_number("self_test", (uint64_t)model_self_test());
  return 0;
}
