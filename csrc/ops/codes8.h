// Operations on 8-bit codes beside linear algebra, in vectors. Each constructor returns nullptr
// where portable code has to do it.
#pragma once

#include <cstdint>

#include "core/requant.h"
#include "cpu.h"
#include "ops/codes.h"
#include "ops/ops.h"
#include "portable/intact_elementwise.h"

namespace intact {

inline bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUint8; }

// The lowest code that a byte of this type holds.
inline std::int32_t lowest(DType dtype) { return dtype == DType::kInt8 ? INT8_MIN : 0; }

// How the codes of a value are stored, and which there are.
struct Codes8 {
  DType dtype;
  CodeRange range;
};

struct Sum8Spec {
  intact_operand a, b;
  std::int32_t left_shift;
  bool subtract;
  Codes8 a_codes, b_codes;
  DType output;
};

// sum8.cc: QAdd and QSub.
OpPtr make_sum8(const Sum8Spec& spec, const Requant& requant, Isa isa);

struct Mul8Spec {
  std::int32_t a_zero_point, b_zero_point;
  Codes8 a_codes, b_codes;
  DType output;
};

// mul8.cc: QMul.
OpPtr make_mul8(const Mul8Spec& spec, const Requant& requant, Isa isa);

}  // namespace intact
