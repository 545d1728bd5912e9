#include "prepare/parallel.h"

#include <algorithm>

#include "base/text.h"

namespace seamount::prepare {

namespace {
uint64_t Left(const exec::ByteBudget& budget) { return budget.limit() - std::min(budget.limit(), budget.used()); }
}  // namespace

Result<exec::ByteLease> Book(exec::ByteBudget& budget, uint64_t bytes, const std::string& what) {
  const uint64_t left = Left(budget);
  if (bytes <= left) return budget.TryAcquire(bytes);
  const std::string held = left < budget.limit() ? ", of which " + base::FormatBytes(left) + " are left" : "";
  return base::ResourceExhausted(what + " needs " + base::FormatBytes(bytes) + " of memory, --memory leaves " +
                                 base::FormatBytes(budget.limit()) + " beside the program itself" + held +
                                 ": allow more, or ask for smaller chunks");
}

Result<Crew> Hire(exec::ThreadPool& pool, exec::ByteBudget& budget, size_t most, uint64_t bytes,
                  const std::string& what) {
  Crew crew;
  const uint64_t fit = bytes == 0 ? most : Left(budget) / bytes;
  crew.workers = static_cast<size_t>(
      std::clamp<uint64_t>(std::min<uint64_t>(most, fit), 1, static_cast<uint64_t>(pool.threads())));
  SEAMOUNT_TRY_ASSIGN(crew.lease, Book(budget, bytes * crew.workers, what));
  return crew;
}

}  // namespace seamount::prepare
