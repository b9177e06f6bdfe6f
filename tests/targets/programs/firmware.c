/* The least that a firmware does: what its sections take is what the model takes. */
#include "model.h"

int main(void) {
  model_run(model_input(), model_output());
  return model_output()[0];
}
