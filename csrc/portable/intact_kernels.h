/* Every integer operation of a Program in portable C99: the native engine's fallback and the
 * runtime of exported C. No allocation, no libm; every function gives the integers of
 * doc/arithmetic.md.
 *
 * A kernel does the part [begin, end) of its work, in units that its comment names, so that
 * threads may share it; 0 and their number do all. What it reads lies outside of what it writes,
 * unless its comment allows otherwise, for one caller that does all of the work in one call. */
#ifndef INTACT_KERNELS_H_
#define INTACT_KERNELS_H_

#include "intact_conv.h"
#include "intact_convert.h"
#include "intact_depthwise.h"
#include "intact_dynamic.h"
#include "intact_elementwise.h"
#include "intact_linear.h"
#include "intact_movement.h"
#include "intact_normalization.h"
#include "intact_pooling.h"
#include "intact_resize.h"
#include "intact_softmax.h"

#endif /* INTACT_KERNELS_H_ */
