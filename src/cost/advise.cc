#include "cost/advise.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "cost/estimate.h"

namespace seamount::cost {
namespace {

constexpr double kWeeksPerMonth = 365.25 / 7 / 12;
// What was seen of hosted notebooks and machines: how fast they read from a bucket, what a free one is, how long a
// machine takes to come up.
constexpr double kBucketToNotebookMbit = 1600, kBucketToMachineMbit = 8000;
constexpr double kFreeGpuGib = 15, kFreeHours = 12, kMachineStartHours = 0.05;
// A month, to keep order in a bucket, on a lab machine that others reach, or among machines that cost by the hour.
constexpr double kBucketHours = 0.25, kLabHours = 0.5, kMachineHours = 0.5;
constexpr char kNotebooksAreIn[] = "us-central1";  // mostly; traffic from elsewhere is counted to there

double HoursFor(double gib, double mbit) {
  constexpr double kMbitPerGib = 8.0 * 1024 * 1.048576;
  return gib * kMbitPerGib / mbit / 3600;
}

std::string Number(double value, const char* format) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

Result<void> Check(const Situation& s) {
  const bool fits = s.model_gib >= 0 && s.data_gib >= 0 && s.sessions_per_week > 0 && s.hours_per_session > 0 &&
                    s.web_mbit > 0 && s.lab_mbit >= 0 && s.free_gpu_chance >= 0 && s.free_gpu_chance <= 1 &&
                    s.hour_usd >= 0;
  if (fits) return {};
  return base::InvalidArgument(
      "sizes and worth cannot be negative, sessions, hours and speeds are more than 0, and a chance is between 0 and "
      "1");
}

// Why a free notebook cannot do it.
std::string FreeIsNotEnough(const Situation& s, const Machine& machine) {
  if (!machine.gpu.empty() && (machine.gpu != "t4" || machine.gpus > 1)) {
    return "free notebooks have one T4 at most";
  }
  if (!machine.gpu.empty() && s.model_gib > kFreeGpuGib) return "the model does not fit a free T4 (16 GB)";
  if (s.hours_per_session > kFreeHours) return "free notebooks end after 12 hours";
  return "";
}

Result<WayCost> WithBucket(const Situation& s, WayCost way, double mbit, Usage usage) {
  const double gib = s.model_gib + s.data_gib;
  usage.location = s.location;
  Usage kept = usage;
  kept.stored_gib = gib;
  kept.read_gib = 0;
  kept.machine.reset();
  SEAMOUNT_TRY_ASSIGN(const auto fixed, Estimate(kept));
  usage.read_gib = gib;
  SEAMOUNT_TRY_ASSIGN(const auto each, Estimate(usage));
  way.usd_fixed = TotalOf(fixed);
  way.usd_per_session = TotalOf(each);
  way.hours_lost_per_session += HoursFor(gib, mbit);
  return way;
}

std::string BreakEvenOf(const WayCost& a, const WayCost& b, const Situation& s, double sessions) {
  const std::string pair = NameOf(b.way) + " against " + NameOf(a.way) + ": ";
  const auto from = SessionsFrom(a, b, s.hour_usd);
  const auto worth = HourWorthFrom(a, b, sessions);
  std::string text = pair;
  if (!from) {
    text += "never pays at $" + Number(s.hour_usd, "%g") + " an hour";
  } else if (*from <= 0) {
    text += "always pays at $" + Number(s.hour_usd, "%g") + " an hour";
  } else {
    text += "pays from " + Number(*from / kWeeksPerMonth, "%.2g") + " sessions a week";
  }
  if (worth) text += "; with yours, from $" + Number(std::max(*worth, 0.0), "%.2f") + " for an hour of waiting";
  return text;
}

}  // namespace

std::string NameOf(Way way) {
  switch (way) {
    case Way::kNotebook: return "free notebook";
    case Way::kBucket: return "free notebook and a bucket";
    case Way::kLab: return "free notebook and a lab machine";
    case Way::kMachine: return "machine of one's own and a bucket";
  }
  return "";
}

std::optional<double> SessionsFrom(const WayCost& a, const WayCost& b, double hour_usd) {
  const double fixed = b.AllIn(0, hour_usd) - a.AllIn(0, hour_usd);
  const double saved = a.AllIn(1, hour_usd) - b.AllIn(1, hour_usd) + fixed;
  if (fixed <= 0 && saved >= 0) return 0;
  if (saved <= 0) return std::nullopt;
  return fixed / saved;
}

std::optional<double> HourWorthFrom(const WayCost& a, const WayCost& b, double sessions) {
  const double hours = a.HoursLost(sessions) - b.HoursLost(sessions);
  if (hours <= 0) return std::nullopt;
  return (b.Usd(sessions) - a.Usd(sessions)) / hours;
}

Result<Advice> Advise(const Situation& s) {
  SEAMOUNT_TRY(Check(s));
  SEAMOUNT_TRY_ASSIGN(const Machine machine, FindMachine(s.gpus, ""));
  const double gib = s.model_gib + s.data_gib;
  const double without_gpu = machine.gpu.empty() ? 0 : (1 - s.free_gpu_chance) * s.hours_per_session;
  const std::string not_enough = FreeIsNotEnough(s, machine);
  Advice advice{.sessions_per_month = s.sessions_per_week * kWeeksPerMonth};
  const WayCost notebook{.way = Way::kNotebook,
                         .hours_lost_per_session = without_gpu + HoursFor(gib, s.web_mbit),
                         .impossible = not_enough};
  SEAMOUNT_TRY_ASSIGN(const WayCost bucket, WithBucket(s,
                                                       {.way = Way::kBucket,
                                                        .hours_fixed = kBucketHours,
                                                        .hours_lost_per_session = without_gpu,
                                                        .impossible = not_enough},
                                                       kBucketToNotebookMbit, {.reader = kNotebooksAreIn}));
  WayCost lab{
      .way = Way::kLab, .hours_fixed = kLabHours, .hours_lost_per_session = without_gpu, .impossible = not_enough};
  if (s.lab_mbit > 0) {
    lab.hours_lost_per_session += HoursFor(gib, s.lab_mbit);
  } else if (lab.impossible.empty()) {
    lab.impossible = "there is none (--lab-mbit says how fast its line sends)";
  }
  const bool preemptible = machine.preemptible_only && s.provisioning == Provisioning::kStandard;
  SEAMOUNT_TRY_ASSIGN(
      const WayCost own,
      WithBucket(s, {.way = Way::kMachine, .hours_fixed = kMachineHours, .hours_lost_per_session = kMachineStartHours},
                 kBucketToMachineMbit,
                 {.machine = machine,
                  .provisioning = preemptible ? Provisioning::kSpot : s.provisioning,
                  .machine_hours = s.hours_per_session}));
  advice.ways = {notebook, bucket, lab, own};
  std::stable_sort(advice.ways.begin(), advice.ways.end(), [&](const WayCost& a, const WayCost& b) {
    if (a.impossible.empty() != b.impossible.empty()) return a.impossible.empty();
    return a.AllIn(advice.sessions_per_month, s.hour_usd) < b.AllIn(advice.sessions_per_month, s.hour_usd);
  });
  if (not_enough.empty()) {
    advice.break_evens = {BreakEvenOf(notebook, bucket, s, advice.sessions_per_month),
                          BreakEvenOf(bucket, own, s, advice.sessions_per_month)};
    if (lab.impossible.empty()) {
      advice.break_evens.push_back(BreakEvenOf(lab, bucket, s, advice.sessions_per_month));
    }
  }
  return advice;
}

}  // namespace seamount::cost
