// Whether an address is Google's, whose services have settings and delays that a server of ours has not.
#pragma once

#include <string>

namespace seamount::gcs {

// A URL on *.googleapis.com; or the origin that SEAMOUNT_GOOGLE_AT names: a stand-in for all of Google's services,
// which are then asked there.
bool IsGoogle(const std::string& url);
// "https://iam.googleapis.com" for "iam", or the stand-in.
std::string GoogleService(const std::string& name);

}  // namespace seamount::gcs
