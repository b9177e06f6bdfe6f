#include "gemm/packed_matrix.h"

#include <algorithm>

namespace intact {

PanelLayout::PanelLayout(const GemmS8Kernel& kernel, int depth, int columns, int segments)
    : panel_(kernel.panel),
      granule_(kernel.granule),
      group_(kernel.group),
      depth_(depth),
      columns_(columns),
      segments_(segments),
      groups_((depth / segments + kernel.group - 1) / kernel.group),
      panels_((columns + kernel.panel - 1) / kernel.panel) {}

int PanelLayout::width(int panel) const { return std::min(panel_, columns_ - panel * panel_); }

int PanelLayout::padded_width(int panel) const {
  return (width(panel) + granule_ - 1) / granule_ * granule_;
}

std::size_t PanelLayout::begin(int panel) const {
  const std::size_t whole =
      align_up(static_cast<std::size_t>(segments_) * groups_ * group_ * panel_);
  if (panel < panels_ || panels_ == 0) return whole * static_cast<std::size_t>(panel);
  const int last = panels_ - 1;
  const std::size_t size =
      static_cast<std::size_t>(segments_) * groups_ * group_ * padded_width(last);
  return whole * static_cast<std::size_t>(last) + align_up(size);
}

std::vector<std::int32_t> pack_rows(const GemmS8Kernel& kernel, const PanelLayout& layout,
                                    std::span<const std::int8_t> weight, std::int8_t* packed) {
  std::vector<std::int32_t> sums(static_cast<std::size_t>(layout.columns()));
  const int group = kernel.group;
  for (int panel = 0; panel < layout.panels(); ++panel) {
    const int padded = layout.padded_width(panel);
    for (int column = 0; column < layout.width(panel); ++column) {
      const std::size_t row = static_cast<std::size_t>(panel) * kernel.panel + column;
      const std::int8_t* source = weight.data() + row * layout.depth();
      std::int8_t* target = packed + layout.begin(panel) + column * group;
      for (int segment = 0; segment < layout.segments(); ++segment) {
        const std::size_t before = static_cast<std::size_t>(segment) * layout.groups();
        for (int k = 0; k < layout.segment_depth(); ++k, ++source) {
          target[(before + k / group) * padded * group + k % group] = *source;
          sums[row] += *source;
        }
      }
    }
  }
  return sums;
}

std::vector<std::int32_t> offsets_of(std::span<const std::int32_t> bias, std::int32_t centre,
                                     std::span<const std::int32_t> sums) {
  std::vector<std::int32_t> offsets(bias.size());
  for (std::size_t c = 0; c < bias.size(); ++c) {
    offsets[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[c]) -
                                           static_cast<std::uint32_t>(centre) *
                                               static_cast<std::uint32_t>(sums[c]));
  }
  return offsets;
}

void pack_columns(const GemmS8Kernel& kernel, const PanelLayout& layout, const std::uint8_t* b,
                  bool is_unsigned, std::int8_t* packed, std::int32_t* sums) {
  for (int panel = 0; panel < layout.panels(); ++panel) {
    const int first = panel * kernel.panel;
    kernel.pack_panel(b + first, layout.columns(), layout.depth(), layout.width(panel),
                      is_unsigned ? 0x80 : 0, packed + layout.begin(panel), sums + first);
  }
}

}  // namespace intact
