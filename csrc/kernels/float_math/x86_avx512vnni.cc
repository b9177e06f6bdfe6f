#include "kernels/float_math/body.h"

INTACT_FLOAT_MATH(float_math_avx512vnni)
