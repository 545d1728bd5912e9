// Which server a key is for: the key file knows the address that it was made at.
#pragma once

#include <string>

namespace seamount::auth {

// "http://lab:9000" by the key's token_uri. Empty for a key of Google's, and where the file is no usable key: whoever
// needs the key says why.
std::string ServerOfKey(const std::string& key_file);
// The same for the key that would be taken without --key: GOOGLE_APPLICATION_CREDENTIALS, ~/.config/seamount/key.json.
std::string ServerOfFoundKey();

}  // namespace seamount::auth
