// Within prepare: what statistics are sums of, and how a fit follows from them.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "exec/byte_budget.h"

namespace seamount::prepare {

// A symmetric matrix as its lower triangle, row by row; only the diagonal where the basis is exclusive.
struct Gram {
  size_t terms;
  bool diagonal;
  size_t size() const { return diagonal ? terms : terms * (terms + 1) / 2; }

  void Add(const double* weights, double sign, double* into) const {
    size_t at = 0;
    for (size_t i = 0; i < terms; ++i) {
      if (diagonal) {
        into[i] += sign * weights[i] * weights[i];
        continue;
      }
      for (size_t j = 0; j <= i; ++j) into[at++] += sign * weights[i] * weights[j];
    }
  }

  // Solves A c = b in place by Cholesky; false when A is singular. An exclusive term without data is NaN by itself.
  bool Solve(std::vector<double>& a, std::vector<double>& b) const {
    if (diagonal) {
      for (size_t i = 0; i < terms; ++i) b[i] = a[i] > 0 ? b[i] / a[i] : std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    const auto at = [&](size_t i, size_t j) -> double& { return a[i * (i + 1) / 2 + j]; };
    const double least = 1e-10 * a[0];  // a[0] counts the steps; a fit that rests on less is none
    for (size_t j = 0; j < terms; ++j) {
      for (size_t k = 0; k < j; ++k) at(j, j) -= at(j, k) * at(j, k);
      if (!(at(j, j) > least)) return false;
      at(j, j) = std::sqrt(at(j, j));
      for (size_t i = j + 1; i < terms; ++i) {
        for (size_t k = 0; k < j; ++k) at(i, j) -= at(i, k) * at(j, k);
        at(i, j) /= at(j, j);
      }
    }
    for (size_t i = 0; i < terms; ++i) {
      for (size_t k = 0; k < i; ++k) b[i] -= at(i, k) * b[k];
      b[i] /= at(i, i);
    }
    for (size_t i = terms; i-- > 0;) {
      for (size_t k = i + 1; k < terms; ++k) b[i] -= at(k, i) * b[k];
      b[i] /= at(i, i);
    }
    return true;
  }
};

// What is added up over one tile and segment.
struct Sums {
  std::vector<double> projected;  // terms × points: Σ weight · x
  std::vector<double> squares;    // points: Σ x²
  std::vector<double> count;      // points: how many values were there
  std::vector<double> gram;       // of all steps
  std::vector<double> missing;    // gram × points, of the steps where a point had no value; empty while none had
  exec::ByteLease missing_lease;
  bool kept = false;  // taken by a run before

  void Merge(Sums&& other) {
    if (count.empty()) {
      *this = std::move(other);
      return;
    }
    if (missing.empty()) {
      missing = std::move(other.missing);
      missing_lease = std::move(other.missing_lease);
      other.missing.clear();
    }
    const auto add = [](std::vector<double>& into, const std::vector<double>& from) {
      for (size_t i = 0; i < from.size(); ++i) into[i] += from[i];
    };
    add(projected, other.projected);
    add(squares, other.squares);
    add(count, other.count);
    add(gram, other.gram);
    add(missing, other.missing);
  }
};

}  // namespace seamount::prepare
