/* How functions are declared, and what the compiler's target has. */
#ifndef INTACT_TARGET_H_
#define INTACT_TARGET_H_

#include <stdint.h>

/* INTACT_INLINE: every function. INTACT_ALWAYS_INLINE: bodies whose callers pass constants for
 * types, so that the compiler writes one loop for each type from one source. */
#define INTACT_INLINE static inline
#if defined(_MSC_VER) && !defined(__clang__)
#define INTACT_ALWAYS_INLINE static __forceinline
#elif defined(__GNUC__)
#define INTACT_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define INTACT_ALWAYS_INLINE static inline
#endif

/* Whether there are the SIMD instructions of Cortex-M4, M7, M33 and M55: two products of 16 bits at
 * a time. -DINTACT_NO_DSP turns them off. */
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && \
    defined(__ARM_FEATURE_UNALIGNED) && !defined(__ARM_BIG_ENDIAN) && !defined(INTACT_NO_DSP)
#define INTACT_DSP 1
#else
#define INTACT_DSP 0
#endif

/* Whether there is Helium too, the vectors of Cortex-M55: sixteen products of 8 bits at a time. */
#if INTACT_DSP && defined(__ARM_FEATURE_MVE)
#define INTACT_MVE 1
#else
#define INTACT_MVE 0
#endif

#if INTACT_DSP
#include <arm_acle.h>
#endif

#if INTACT_MVE
#include <arm_mve.h>
#endif

#endif /* INTACT_TARGET_H_ */
