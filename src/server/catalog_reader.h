// A borrowed read-only connection of the catalog. Private to catalog*.cc.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "server/catalog.h"

namespace seamount::server {

class Catalog::Reader {
 public:
  Reader(Catalog& catalog, std::unique_ptr<Connection> connection)
      : catalog_(&catalog), connection_(std::move(connection)) {}
  Reader(Reader&&) = default;
  Reader& operator=(Reader&&) = delete;
  ~Reader() {
    if (!connection_) return;
    constexpr size_t kMaxIdle = 32;  // a rush of connections does not keep its readers for ever
    std::lock_guard lock(catalog_->readers_mutex_);
    if (catalog_->idle_readers_.size() < kMaxIdle) catalog_->idle_readers_.push_back(std::move(connection_));
  }
  Connection& operator*() { return *connection_; }
  Connection* operator->() { return connection_.get(); }

 private:
  Catalog* catalog_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace seamount::server
