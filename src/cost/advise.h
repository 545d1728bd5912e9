// Which of four ways pays: a free notebook as it is; one that reads from a bucket; one that reads from a lab machine; a
// machine with a GPU of one's own. A pure function of what one has and what an hour of waiting is worth.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cost/prices.h"

namespace seamount::cost {

struct Situation {
  double model_gib = 0, data_gib = 0;  // what each session needs
  double sessions_per_week = 3, hours_per_session = 3;
  std::string gpus = "t4";               // as FindMachine has it; "none"
  std::string location = "us-central1";  // of bucket and machine
  Provisioning provisioning = Provisioning::kStandard;
  double web_mbit = 200;         // at which a notebook downloads from the web
  double lab_mbit = 0;           // at which the lab machine's line sends; 0: there is none
  double free_gpu_chance = 0.7;  // that a free notebook has a GPU when it is wanted
  double hour_usd = 20;          // what an hour of waiting is worth
};

enum class Way { kNotebook, kBucket, kLab, kMachine };
// "free notebook", "free notebook and a bucket", …
std::string NameOf(Way way);

// Of one way, as a function of the sessions in a month: what is paid anyway, and for each.
struct WayCost {
  Way way = Way::kNotebook;
  double usd_fixed = 0, usd_per_session = 0;
  double hours_fixed = 0;             // for looking after it
  double hours_lost_per_session = 0;  // waiting for data, or for a GPU
  std::string impossible;             // why it cannot be; empty: it can

  double Usd(double sessions) const { return usd_fixed + usd_per_session * sessions; }
  double HoursLost(double sessions) const { return hours_fixed + hours_lost_per_session * sessions; }
  // With what the waiting is worth.
  double AllIn(double sessions, double hour_usd) const { return Usd(sessions) + HoursLost(sessions) * hour_usd; }
};

struct Advice {
  double sessions_per_month = 0;
  std::vector<WayCost> ways;  // those that can be come first, the cheapest all in before others
  std::vector<std::string> break_evens;
};

// InvalidArgument names what has no price, or makes no sense.
Result<Advice> Advise(const Situation& situation);

// Sessions a month from which `b` is cheaper all in than `a`, for ever after; nothing where that never comes, 0 where
// it always is.
std::optional<double> SessionsFrom(const WayCost& a, const WayCost& b, double hour_usd);
// What an hour has to be worth for `b` to be cheaper all in than `a`; nothing where no worth makes it so.
std::optional<double> HourWorthFrom(const WayCost& a, const WayCost& b, double sessions);

}  // namespace seamount::cost
