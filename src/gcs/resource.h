// Between the attributes of a store and the fields of an object resource.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "gcs/wire.h"
#include "store/store.h"

namespace seamount::gcs {

// What a store tells of the object. `updated` is the time of its generation: on the wire, that of its creation.
store::ObjectInfo InfoOf(ObjectResource resource);

// What a client says of an object that it writes.
ObjectPatch PatchOf(const store::WriteOptions& options);

// Headers by their names on the wire. clear: null for those that are empty, as a patch removes them.
std::map<std::string, std::optional<std::string>> FieldsOf(const store::ContentHeaders& headers, bool clear);

}  // namespace seamount::gcs
