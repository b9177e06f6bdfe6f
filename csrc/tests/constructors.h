// Constructors of operations by the names that Python calls them by (_native.pyi).
#pragma once

#include <string_view>

#include "ops/ops.h"
#include "tests/recording.h"

namespace intact {

// The operation whose arguments come next. Throws std::runtime_error if the name is unknown.
OpPtr read_op(std::string_view name, Recording& in);

}  // namespace intact
