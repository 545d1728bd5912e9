// How an object's key becomes a path below the store's directory, and back.
//
// An ordinary key is its path: "2020/wind.nc" is the file 2020/wind.nc. What a file system cannot name that way is
// written with '%':
//   ""  (an empty segment: "a//b", "dir/")   %00
//   "." and ".."                             %2E and %2E%2E
//   ".seamount" (the store's own folder)     %2Eseamount
//   a segment longer than 253 bytes          cut: folders whose names end in "%+", in them names that begin with "%-"
//   "n", where "n/x" is an object too        the folder is n, the file is n%~
//   "%25", and '%' in names that look like one of the above     %25
// A file whose path is not what its key would be given (put there by somebody else) is no object.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace seamount::store {

// The folder for temporary files, locks and sidecars.
inline constexpr std::string_view kOwnFolder = ".seamount";
// Behind the name of a file that has a folder of its name beside it.
inline constexpr std::string_view kBesideFolder = "%~";

// The path of a key that CheckKey takes, relative to the directory: never absolute, without "..".
std::string PathOfKey(std::string_view key);

// One name of a directory, read.
struct FileName {
  std::string text;        // what it adds to the key; for a cut segment all of it so far, still encoded
  bool continues = false;  // a folder that holds the rest of a cut segment
};

// pending: the text of the folder, if that one continues. Nothing when no key has such a name.
std::optional<FileName> ReadFileName(std::string_view name, bool folder, std::string_view pending);

}  // namespace seamount::store
