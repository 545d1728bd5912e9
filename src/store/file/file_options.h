// How a file store keeps what is written.
#pragma once

namespace seamount::store {

struct FileStoreOptions {
  bool sync = true;                 // false: rename without fsync, for scratch data that may be lost with the machine
  bool extended_attributes = true;  // false: records in files always
};

}  // namespace seamount::store
