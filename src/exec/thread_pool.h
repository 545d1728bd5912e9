// A fixed number of threads that run submitted tasks in order of submission.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace seamount::exec {

// Thread-safe. The destructor runs what was submitted, then joins; tasks must not throw.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void Run(std::function<void()> task);
  int threads() const;

  // Runs a task and hands its value to a future. Waiting for it from within the same pool can deadlock.
  template <class F>
  auto Submit(F task) -> std::future<std::invoke_result_t<F>> {
    auto packaged = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(task));
    auto future = packaged->get_future();
    Run([packaged] { (*packaged)(); });
    return future;
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls body(0..count-1) on the pool's threads and waits for all. body must not submit to the same pool and wait.
void ParallelFor(ThreadPool& pool, size_t count, const std::function<void(size_t)>& body);

}  // namespace seamount::exec
