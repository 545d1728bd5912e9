// A page of a listing as JSON, written object by object: a page has a thousand of them, and no tree is built of it.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "server/rows.h"

namespace seamount::server {

// Which parts of a listing a client asked for: ?fields=items(name,size),nextPageToken or items/name. Of what lies
// deeper (items/metadata/k), or is asked for by '*', comes the whole.
class ListFields {
 public:
  // Empty: all.
  static ListFields Parse(std::string_view fields);
  bool Wants(std::string_view part) const { return parts_.empty() || parts_.contains(part); }
  bool WantsOfItem(std::string_view field) const { return item_fields_.empty() || item_fields_.contains(field); }

 private:
  void Add(std::string_view part);
  void AddOfItem(std::string_view field);

  std::set<std::string, std::less<>> parts_;        // "items", "prefixes" …; empty: all
  std::set<std::string, std::less<>> item_fields_;  // empty: all
  bool whole_items_ = false;
};

std::string ListJson(const Listing& listing, const ListFields& fields, const std::string& bucket,
                     const std::string& base_url);

}  // namespace seamount::server
