#include "kernels/dynamic_s8/body.h"

INTACT_DYNAMIC_S8(dynamic_s8_avx512vnni)
