// Reads what tests/aarch64/recording.py writes: numbers of 8 bytes, texts and arrays, in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "core/requant.h"
#include "core/tensor.h"
#include "cpu.h"
#include "ops/codes.h"
#include "ops/layers.h"

namespace intact {

// Arrays are multiples of 8 bytes: they may be used where they are.
class Recording {
 public:
  explicit Recording(std::vector<std::uint64_t> words) : words_(std::move(words)) {}

  bool at_end() const { return at_ == words_.size(); }

  std::int64_t number() { return static_cast<std::int64_t>(*take(1)); }

  std::string text() {
    const auto size = static_cast<std::size_t>(number());
    return {reinterpret_cast<const char*>(take((size + 7) / 8)), size};
  }

  Tensor array() {
    Tensor tensor;
    tensor.dtype = static_cast<DType>(number());
    tensor.shape = Shape(numbers<std::int64_t>());
    tensor.data = reinterpret_cast<std::byte*>(take((tensor.bytes() + 7) / 8));
    return tensor;
  }

  template <typename T>
  std::vector<T> numbers() {
    std::vector<T> all(static_cast<std::size_t>(number()));
    for (T& one : all) one = static_cast<T>(number());
    return all;
  }

  // The next argument of a constructor.
  template <typename T>
  T read() {
    return Argument<T>::from(*this);
  }

 private:
  template <typename T>
  struct Argument {
    static T from(Recording& in) { return static_cast<T>(in.number()); }  // numbers and enums
  };

  std::uint64_t* take(std::size_t words) {
    if (words > words_.size() - at_) throw std::runtime_error("the recording is cut off");
    at_ += words;
    return words_.data() + (at_ - words);
  }

  std::vector<std::uint64_t> words_;
  std::size_t at_ = 0;
};

// A level is recorded as whether vectors may be used.
template <>
struct Recording::Argument<Isa> {
  static Isa from(Recording& in) { return in.number() != 0 ? best_isa() : Isa::kNone; }
};

template <typename T, std::size_t kSize>
struct Recording::Argument<std::array<T, kSize>> {
  static std::array<T, kSize> from(Recording& in) {
    std::array<T, kSize> all;
    for (T& one : all) one = in.read<T>();
    return all;
  }
};

template <typename T>
struct Recording::Argument<std::span<const T>> {
  static std::span<const T> from(Recording& in) {
    const Tensor tensor = in.array();
    return {tensor.as<const T>(), tensor.bytes() / sizeof(T)};
  }
};

template <typename T>
struct Recording::Argument<std::vector<T>> {
  static std::vector<T> from(Recording& in) {
    const auto all = in.read<std::span<const T>>();
    return {all.begin(), all.end()};
  }
};

template <>
struct Recording::Argument<Integers> {
  static Integers from(Recording& in) {
    const Tensor tensor = in.array();
    return {tensor.dtype, {tensor.data, tensor.bytes()}};
  }
};

template <>
struct Recording::Argument<CodeRange> {
  static CodeRange from(Recording& in) {
    const auto [qmin, qmax] = in.read<std::array<std::int32_t, 2>>();
    return {qmin, qmax};
  }
};

template <>
struct Recording::Argument<intact_operand> {
  static intact_operand from(Recording& in) {
    const auto [zero_point, multiplier, shift] = in.read<std::array<std::int32_t, 3>>();
    return {zero_point, multiplier, shift};
  }
};

template <>
struct Recording::Argument<Requant> {
  static Requant from(Recording& in) {
    auto multiplier = in.read<std::vector<std::int32_t>>();
    auto shift = in.read<std::vector<std::int32_t>>();
    const auto zero_point = in.read<std::int32_t>();
    auto qmin = in.read<std::vector<std::int32_t>>();
    auto qmax = in.read<std::vector<std::int32_t>>();
    const bool wide = in.read<bool>();
    return Requant(std::move(multiplier), std::move(shift), zero_point, std::move(qmin),
                   std::move(qmax), wide);
  }
};

template <>
struct Recording::Argument<Normalization> {
  static Normalization from(Recording& in) {
    return {in.read<std::int64_t>(), in.read<std::vector<std::int8_t>>(),
            in.read<Requant>(),      in.read<std::vector<std::int32_t>>(),
            in.read<std::int32_t>(), in.read<CodeRange>()};
  }
};

}  // namespace intact
