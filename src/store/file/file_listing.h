// Within store/file: listings of a directory in the order of keys.
#pragma once

#include <functional>
#include <string>

#include "store/file/file_folder.h"
#include "store/store.h"

namespace seamount::store {

// Walks only the folders that the prefix, the start and the page can concern; each page walks anew, but large folders
// that have not changed are not read again. `stat` is asked for every object that is listed, and may find that it has
// gone meanwhile.
Result<ListPage> ListFolder(FileFolder& folder, const ListOptions& options, const CallContext& context,
                            const std::function<Result<std::optional<ObjectInfo>>(const std::string& key)>& stat);

}  // namespace seamount::store
