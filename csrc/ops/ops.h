// Constructors of all operations; each is defined in the file of its family.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/op.h"
#include "cpu.h"

namespace intact {

using OpPtr = std::shared_ptr<const Op>;

// Output has the input's elements in the same order (Reshape that cannot be an alias).
OpPtr make_copy();

// out = table[x - low] (eq. 29), for codes of up to 8 bits; table has one int32 for each code low,
// low + 1, ...
OpPtr make_lookup(std::int32_t low, std::span<const std::int32_t> table, DType output, Isa isa);

}  // namespace intact
