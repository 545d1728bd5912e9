// What cp, cat, rm and du are told to work on: a part of a bucket, a local file or folder, or a stream.
#pragma once

#include <string>

#include "base/result.h"

namespace seamount::cli {

struct Place {
  enum class Kind { kBucket, kLocal, kStream };

  Kind kind = Kind::kLocal;
  std::string text;    // as it was typed, for messages
  std::string bucket;  // "gs://winds"; of kBucket
  std::string path;    // of kBucket the key or prefix, a '/' at its end kept; of kLocal the file

  // A place to put things into, by its spelling: "gs://winds", "gs://winds/a/", "folder/".
  bool SaysFolder() const;
  // The last component: "c" of "a/b/c" and of "a/b/c/".
  std::string Name() const;
};

// gs://bucket[/key], file:///path, "-", or a path. InvalidArgument says what was expected.
Result<Place> ParsePlace(const std::string& text);
// The same, refusing what is not in a bucket.
Result<Place> ParseBucketPlace(const std::string& text);

}  // namespace seamount::cli
