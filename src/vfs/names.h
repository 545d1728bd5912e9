// Names and keys. A file's path is its object's key; a folder is the prefix "path/", and an object with exactly that
// key, the marker, lets a folder exist while it is empty.
//
// A key that is both an object and a prefix ("a" beside "a/b") cannot be one name of a folder: the folder is "a", and
// the object is reached as "a\n", the way gcsfuse shows it. No key may hold a line feed, so that name is never taken.
// Keys that no path can spell (empty, "." or ".." between slashes, a component over 255 bytes) are not shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"
#include "vfs/fault.h"

namespace seamount::vfs {

// Everything below it belongs to the mount itself (tails waiting to be composed, unlinked files still open): not shown.
inline constexpr std::string_view kReservedName = ".seamount";
inline constexpr std::string_view kReservedPrefix = ".seamount/";

inline constexpr size_t kMaxNameBytes = 255;  // NAME_MAX, which programs believe in; FUSE itself takes 1,024

// Ends the name of an object that a folder of the same name hides.
inline constexpr char kHiddenObjectMark = '\n';

// Whether a component of a key can be shown as a name in a folder.
bool IsShowable(std::string_view component);

// Whether a program may create this name: showable, valid UTF-8, no line break. The fault's errno says why not.
Outcome<void> CheckNewName(std::string_view name);

// A name without the mark of a hidden object.
std::string_view WithoutMark(std::string_view name);

}  // namespace seamount::vfs
