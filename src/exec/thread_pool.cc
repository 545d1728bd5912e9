#include "exec/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

namespace seamount::exec {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> tasks;
  bool closing = false;
  std::vector<std::thread> threads;

  void Work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return closing || !tasks.empty(); });
      if (tasks.empty()) return;
      auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  const int count = std::max(1, threads);
  state_->threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) state_->threads.emplace_back([this] { state_->Work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::scoped_lock lock(state_->mutex);
    state_->closing = true;
  }
  state_->wake.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

void ThreadPool::Run(std::function<void()> task) {
  {
    std::scoped_lock lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
  }
  state_->wake.notify_one();
}

int ThreadPool::threads() const { return static_cast<int>(state_->threads.size()); }

void ParallelFor(ThreadPool& pool, size_t count, const std::function<void(size_t)>& body) {
  if (count == 0) return;
  std::atomic<size_t> next = 0;
  const size_t workers = std::min(count, static_cast<size_t>(pool.threads()));
  std::latch done(static_cast<std::ptrdiff_t>(workers));
  for (size_t w = 0; w < workers; ++w) {
    pool.Run([&] {
      for (size_t i = next++; i < count; i = next++) body(i);
      done.count_down();
    });
  }
  done.wait();
}

}  // namespace seamount::exec
