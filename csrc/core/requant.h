// Requantization parameters that own their arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "portable/intact_fixedpoint.h"

namespace intact {

// `Requant` of numerics/fixedpoint.py. multiplier and shift have one entry for each channel or a
// single one; so have qmin and qmax.
class Requant {
 public:
  Requant(std::vector<std::int32_t> multiplier, std::vector<std::int32_t> shift,
          std::int32_t zero_point, std::vector<std::int32_t> qmin, std::vector<std::int32_t> qmax,
          bool wide)
      : multiplier_(std::move(multiplier)),
        shift_(std::move(shift)),
        qmin_(std::move(qmin)),
        qmax_(std::move(qmax)),
        zero_point_(zero_point),
        wide_(wide) {
    if (multiplier_.empty() || multiplier_.size() != shift_.size() || qmin_.empty() ||
        qmin_.size() != qmax_.size()) {
      throw std::invalid_argument("multiplier and shift, qmin and qmax must agree in size");
    }
  }

  std::int32_t multiplier(std::size_t c) const { return entry(multiplier_, c); }
  std::int32_t shift(std::size_t c) const { return entry(shift_, c); }
  std::int32_t qmin(std::size_t c) const { return entry(qmin_, c); }
  std::int32_t qmax(std::size_t c) const { return entry(qmax_, c); }
  std::int32_t zero_point() const { return zero_point_; }
  bool wide() const { return wide_; }

  // Those of channels first .. first + count - 1.
  Requant channels(std::size_t first, std::size_t count) const {
    const auto part = [first, count](const std::vector<std::int32_t>& values) {
      if (values.size() == 1) return values;
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
      return std::vector<std::int32_t>(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    return Requant(part(multiplier_), part(shift_), zero_point_, part(qmin_), part(qmax_), wide_);
  }

  // For the portable kernels; valid as long as this object.
  intact_requant view() const {
    return intact_requant{multiplier_.data(),
                          shift_.data(),
                          static_cast<std::int32_t>(multiplier_.size()),
                          qmin_.data(),
                          qmax_.data(),
                          static_cast<std::int32_t>(qmin_.size()),
                          zero_point_,
                          wide_ ? 1 : 0};
  }

 private:
  static std::int32_t entry(const std::vector<std::int32_t>& values, std::size_t c) {
    return values.size() == 1 ? values[0] : values[c];
  }

  std::vector<std::int32_t> multiplier_;
  std::vector<std::int32_t> shift_;
  std::vector<std::int32_t> qmin_;
  std::vector<std::int32_t> qmax_;
  std::int32_t zero_point_;
  bool wide_;
};

}  // namespace intact
