// Where a new key goes: a file of mode 0600, made before the key is, since a key that cannot be written down must not
// be made. Removed again unless a key was written.
#pragma once

#include <string>
#include <utility>

#include "auth/token_source.h"
#include "base/fd.h"
#include "base/result.h"

namespace seamount::stores {

class NewKeyFile {
 public:
  // Never replaces anything; an empty file, as a run that was broken off leaves it, is taken. InvalidArgument says why
  // the file cannot be made.
  static Result<NewKeyFile> Make(const std::string& path);
  NewKeyFile(NewKeyFile&&) = default;
  NewKeyFile& operator=(NewKeyFile&&) = delete;
  ~NewKeyFile();
  // Durable when it returns.
  Result<void> Write(const auth::Secret& content);

 private:
  NewKeyFile(std::string path, base::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  base::Fd fd_;
  bool kept_ = false;
};

// The folder of the git work tree that a new file at `path` is part of; empty when there is none.
std::string GitWorkTreeOf(const std::string& path);

}  // namespace seamount::stores
