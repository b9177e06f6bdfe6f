#include "bindings/bindings.h"

namespace intact {

DType dtype_of(nb::dlpack::dtype dtype) {
  using Code = nb::dlpack::dtype_code;
  const auto is = [dtype](Code code, int bits) {
    return dtype.code == static_cast<std::uint8_t>(code) && dtype.bits == bits && dtype.lanes == 1;
  };
  if (is(Code::Bool, 8)) return DType::kBool;
  if (is(Code::Int, 8)) return DType::kInt8;
  if (is(Code::UInt, 8)) return DType::kUint8;
  if (is(Code::Int, 16)) return DType::kInt16;
  if (is(Code::UInt, 16)) return DType::kUint16;
  if (is(Code::Int, 32)) return DType::kInt32;
  if (is(Code::Int, 64)) return DType::kInt64;
  if (is(Code::Float, 32)) return DType::kFloat32;
  throw std::invalid_argument("arrays of this dtype do not occur in a Program");
}

Shape shape_of(const AnyArray& array) {
  std::int64_t dims[Shape::kMaxRank];
  if (array.ndim() > Shape::kMaxRank) throw std::invalid_argument("more than 8 axes");
  for (std::size_t i = 0; i < array.ndim(); ++i) {
    dims[i] = static_cast<std::int64_t>(array.shape(i));
  }
  return Shape(std::span<const std::int64_t>(dims, array.ndim()));
}

}  // namespace intact
