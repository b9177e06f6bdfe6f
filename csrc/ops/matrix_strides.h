// Where the matrices of a product with leading axes lie.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace intact {

// Elements from one matrix of an operand to the next along each leading axis of the output; 0 where
// it is broadcast.
struct MatrixStrides {
  std::int64_t values[Shape::kMaxRank] = {};

  MatrixStrides(const Shape& operand, const Shape& output) {
    std::int64_t step = operand.elements(operand.rank() - 2, operand.rank());
    for (int i = 3; i <= operand.rank(); ++i) {
      if (operand[operand.rank() - i] != 1) values[output.rank() - i] = step;
      step *= operand[operand.rank() - i];
    }
  }

  // Element at which matrix `number` of the output reads its operand.
  std::int64_t at(std::int64_t number, const Shape& output) const {
    std::int64_t element = 0;
    for (int i = output.rank() - 3; i >= 0; --i) {
      element += number % output[i] * values[i];
      number /= output[i];
    }
    return element;
  }
};

}  // namespace intact
