#include "cost/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace seamount::cost {
namespace {

constexpr double kWidth = 720, kHeight = 420, kLeft = 70, kRight = 20, kTop = 40, kBottom = 120;
// Told apart also by those who do not see red and green as others do (Okabe and Ito).
constexpr std::array<const char*, 6> kColours = {"#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#000000"};

std::string Format(const char* format, double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string Text(double x, double y, const char* anchor, const std::string& text, int size = 12) {
  return "<text x=\"" + Format("%.1f", x) + "\" y=\"" + Format("%.1f", y) + "\" font-size=\"" + std::to_string(size) +
         "\" text-anchor=\"" + anchor + "\">" + Escaped(text) + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line x1=\"" + Format("%.1f", x1) + "\" y1=\"" + Format("%.1f", y1) + "\" x2=\"" + Format("%.1f", x2) +
         "\" y2=\"" + Format("%.1f", y2) + "\" " + style + "/>\n";
}

// 1, 2 or 5 times a power of ten, so that there are four to nine steps up to `largest`.
double StepFor(double largest) {
  const double raw = std::max(largest, 1e-9) / 5;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

struct Scale {
  double x_most = 0, y_most = 0;
  double X(double x) const { return kLeft + x / x_most * (kWidth - kLeft - kRight); }
  double Y(double y) const { return kHeight - kBottom - y / y_most * (kHeight - kTop - kBottom); }
};

Scale ScaleOf(const Chart& chart) {
  Scale scale;
  for (const Series& series : chart.series) {
    for (const auto& [x, y] : series.points) {
      scale.x_most = std::max(scale.x_most, x);
      scale.y_most = std::max(scale.y_most, y);
    }
  }
  scale.x_most = std::max(scale.x_most, 1e-9);
  scale.y_most = std::max(scale.y_most, 1e-9);
  return scale;
}

std::string Axes(const Chart& chart, const Scale& scale) {
  std::string svg;
  const double bottom = kHeight - kBottom;
  for (double y = 0; y <= scale.y_most * 1.0001; y += StepFor(scale.y_most)) {
    svg += Line(kLeft, scale.Y(y), kWidth - kRight, scale.Y(y), "stroke=\"#ddd\"");
    svg += Text(kLeft - 6, scale.Y(y) + 4, "end", Format("%g", y));
  }
  for (double x = 0; x <= scale.x_most * 1.0001; x += StepFor(scale.x_most)) {
    svg += Text(scale.X(x), bottom + 16, "middle", Format("%g", x));
  }
  svg += Line(kLeft, bottom, kWidth - kRight, bottom, "stroke=\"#333\"");
  svg += Text(kWidth / 2, bottom + 34, "middle", chart.x_label);
  return svg + Text(kLeft, kTop - 8, "start", chart.y_label);
}

}  // namespace

std::string ToSvg(const Chart& chart) {
  const Scale scale = ScaleOf(chart);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + Format("%g", kWidth) + " " +
                    Format("%g", kHeight) +
                    "\" font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" "
                    "fill=\"white\"/>\n";
  svg += Text(kWidth / 2, 18, "middle", chart.title, 15);
  svg += Axes(chart, scale);
  if (chart.mark_x >= 0 && chart.mark_x <= scale.x_most) {
    svg += Line(scale.X(chart.mark_x), kTop, scale.X(chart.mark_x), kHeight - kBottom,
                "stroke=\"#888\" stroke-dasharray=\"4\"");
  }
  double legend = kHeight - kBottom + 54;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const std::string colour = kColours[i % kColours.size()];
    const std::string stroke = "stroke=\"" + colour + "\" stroke-width=\"2\"";
    std::string points;
    for (const auto& [x, y] : chart.series[i].points) {
      points += Format("%.1f", scale.X(x)) + "," + Format("%.1f ", scale.Y(y));
    }
    svg += "<polyline fill=\"none\" " + stroke + " points=\"" + points + "\"/>\n";
    svg += Line(kLeft, legend - 4, kLeft + 24, legend - 4, stroke.c_str());
    svg += Text(kLeft + 32, legend, "start", chart.series[i].name);
    legend += 17;
  }
  return svg + "</svg>\n";
}

}  // namespace seamount::cost
