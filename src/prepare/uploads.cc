#include "prepare/uploads.h"

#include <utility>

namespace seamount::prepare {
namespace {
// At 30 ms a round trip and a megabyte an object this is more than most links carry.
constexpr int kThreads = 16;
}  // namespace

class Uploads::Batch {
 public:
  Batch(Uploads& uploads, std::function<Result<void>()> done) : uploads_(uploads), done_(std::move(done)) {}
  ~Batch() {
    if (failed_ || !ended_) return;
    if (auto done = done_(); !done) uploads_.Fail(done.error());
  }
  void Fail() { failed_ = true; }
  void End() { ended_ = true; }

 private:
  Uploads& uploads_;
  const std::function<Result<void>()> done_;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> ended_ = false;
};

Uploads::Uploads(std::shared_ptr<Store> store, uint64_t bytes, const CallContext& context)
    : store_(std::move(store)),
      forward_(context.stop, [this] { failed_.request_stop(); }),
      context_(context),
      waiting_(bytes),
      pool_(std::make_unique<exec::ThreadPool>(kThreads)) {
  context_.stop = failed_.get_token();
}

Uploads::~Uploads() { pool_.reset(); }

std::shared_ptr<Uploads::Batch> Uploads::Start(std::function<Result<void>()> done) {
  return std::make_shared<Batch>(*this, std::move(done));
}

void Uploads::End(Batch& batch) { batch.End(); }

void Uploads::Fail(const Error& error) {
  {
    std::scoped_lock lock(mutex_);
    if (!failure_) failure_ = error;
  }
  failed_.request_stop();
}

Result<void> Uploads::Failure() {
  std::scoped_lock lock(mutex_);
  if (failure_) return *failure_;
  return {};
}

Result<void> Uploads::Send(const std::shared_ptr<Batch>& batch, std::string key, Bytes object) {
  auto lease = waiting_.Acquire(object.size(), context_);
  if (!lease) {
    batch->Fail();
    SEAMOUNT_TRY(Failure());  // why it was stopped, if it was not from outside
    return lease.error();
  }
  // std::function wants what it holds to be copyable.
  auto held = std::make_shared<exec::ByteLease>(*std::move(lease));
  pool_->Run([this, batch, held, key = std::move(key), object = std::move(object)] {
    auto written = store_->Write(key, store::BytesSource(object), {}, context_);
    held->Release();
    if (written) return;
    batch->Fail();
    Fail(written.error().Wrap("writing " + key));
  });
  return Failure();
}

Result<void> Uploads::Finish() {
  pool_.reset();
  return Failure();
}

}  // namespace seamount::prepare
