#include "prepare/plan.h"

namespace seamount::prepare {

std::vector<size_t> TasksOf(const Plan& plan, size_t array) {
  std::vector<size_t> tasks;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    if (plan.tasks[t].array == array) tasks.push_back(t);
  }
  return tasks;
}

}  // namespace seamount::prepare
