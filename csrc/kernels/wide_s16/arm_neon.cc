#include "kernels/wide_s16/body.h"

INTACT_WIDE_S16(wide_s16_neon)
