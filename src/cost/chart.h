// A line chart as SVG, for a page or a browser.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace seamount::cost {

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // in order of x
};
struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;  // six at most have colours of their own
  double mark_x = -1;          // a vertical line; below 0: none
};
std::string ToSvg(const Chart& chart);

}  // namespace seamount::cost
