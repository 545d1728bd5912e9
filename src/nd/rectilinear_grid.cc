#include "nd/rectilinear_grid.h"

#include <algorithm>

namespace seamount::nd {

RectilinearGrid::RectilinearGrid(std::span<const Edges> edges)
    : runs_(edges.size()), shape_(edges.size(), 0), end_(edges.size(), 0), largest_(edges.size(), 1) {
  for (size_t d = 0; d < edges.size(); ++d) {
    for (const EdgeRun& run : edges[d]) {
      if (run.count == 0) continue;
      runs_[d].push_back({shape_[d], end_[d], run.length});
      shape_[d] += run.count;
      end_[d] += run.count * run.length;
      largest_[d] = std::max(largest_[d], run.length);
    }
  }
}

uint64_t RectilinearGrid::CellAt(size_t d, uint64_t position) const {
  const auto behind = std::upper_bound(runs_[d].begin(), runs_[d].end(), position,
                                       [](uint64_t at, const Run& run) { return at < run.origin; });
  const Run& run = *std::prev(behind);
  return run.first_cell + (position - run.origin) / run.length;
}

Box RectilinearGrid::CellsTouched(const Box& box) const {
  Box cells{Index(box.shape.size(), 0), Index(box.shape.size(), 0)};
  for (size_t d = 0; d < box.shape.size(); ++d) {
    if (box.shape[d] == 0) continue;
    cells.origin[d] = CellAt(d, box.origin[d]);
    cells.shape[d] = CellAt(d, box.origin[d] + box.shape[d] - 1) - cells.origin[d] + 1;
  }
  return cells;
}

Box RectilinearGrid::CellBox(std::span<const uint64_t> cell) const {
  Box box{Index(cell.size()), Index(cell.size())};
  for (size_t d = 0; d < cell.size(); ++d) {
    const auto behind = std::upper_bound(runs_[d].begin(), runs_[d].end(), cell[d],
                                         [](uint64_t at, const Run& run) { return at < run.first_cell; });
    const Run& run = *std::prev(behind);
    box.origin[d] = run.origin + (cell[d] - run.first_cell) * run.length;
    box.shape[d] = run.length;
  }
  return box;
}

}  // namespace seamount::nd
