/* Runs generated C on the samples of samples.h: the codes of all outputs, the self-test's answer,
 * and what a run needs of instructions and stack. */
#include <string.h>

#include "board.h"
#include "model.h"
#include "output.h"
#include "samples.h"

static void run(void) { model_run(model_input(), model_output()); }

static void write_codes(void) {
  const uint8_t* bytes = (const uint8_t*)model_output();
  char digits[3] = "00";
  write_text("codes ");
  for (uint32_t i = 0; i < OUTPUT_CODES * sizeof *model_output(); ++i) {
    digits[0] = "0123456789abcdef"[bytes[i] >> 4];
    digits[1] = "0123456789abcdef"[bytes[i] & 15];
    write_text(digits);
  }
  write_text("\n");
}

int main(void) {
  for (int i = 0; i < SAMPLES; ++i) {
    memcpy(model_input(), samples[i], sizeof samples[i]);
    const uint64_t before = board_instructions();
    run();
    const uint64_t after = board_instructions();
    write_codes();
    if (i == 0) write_number("instructions", after - before);
  }
  write_number("stack", board_stack_of(run));
  write_number("self_test", (uint64_t)model_self_test());
  return 0;
}
