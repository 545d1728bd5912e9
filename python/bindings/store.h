// Stores as the bindings open and hold them.
#pragma once

#include <memory>
#include <string>

#include "store/store.h"

namespace seamount::python {

struct Connection {
  std::string endpoint;
  std::string key;       // a file
  std::string key_text;  // the content of one, instead
  bool anonymous = false;
  std::string cache_dir;
  uint64_t cache_bytes = 0;
};

// A store as Python holds it: what was opened once serves the loader, its group and its arrays.
struct StoreHandle {
  std::shared_ptr<Store> store;
};

// Raises. GIL held; it is let go while the store is opened.
std::shared_ptr<Store> OpenStoreOrRaise(const std::string& url, const Connection& connection);

}  // namespace seamount::python
