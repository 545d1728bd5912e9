// The local disk: where temporary files go, and the folder there of what a killed run should not lose. Everything in
// that folder is a convenience, named by the fingerprint of what it follows from.
#pragma once

#include <string>

#include "base/fd.h"

namespace seamount::prepare {

// Where temporary files go: `chosen`, or where that is empty $TMPDIR, or /var/tmp, since /tmp is memory on many
// machines.
std::string SpillDirectory(const std::string& chosen);

// A folder there of this user alone, seamount-sums-UID. Makes it, and removes what was forgotten in it: sums a week
// after they were written, spill files that no run has open a day after, since they are as large as the data. Empty
// where there is no such folder to be had: others may write into /var/tmp too.
std::string KeptFolder(const std::string& chosen);

// FINGERPRINT-PART, perhaps with the ending of one that is being written.
bool IsKeptSum(const std::string& file);

std::string KeptSpillPath(const std::string& folder, const std::string& fingerprint);
// Opens the spill file, makes it where there is none, and locks it for as long as it is open. Empty where that cannot
// be: another run has it.
base::Fd OpenKeptSpill(const std::string& path);
// Unless a run has it open.
void RemoveKeptSpill(const std::string& path);

}  // namespace seamount::prepare
