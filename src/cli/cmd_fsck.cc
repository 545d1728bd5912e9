// seamount fsck: checks a server's folder, and mends what can be mended without losing anything.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "base/text.h"
#include "cli/command.h"
#include "server/fsck.h"

namespace seamount::cli {
namespace {

struct FsckOptions {
  std::string directory;
  server::FolderRepair repair;
};

// A line on stderr that is written over, a few times a second, where somebody looks.
class Progress {
 public:
  void Show(const server::FolderCheck& found) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    std::fprintf(stderr, "\r%llu objects, %s checked ", static_cast<unsigned long long>(found.objects),
                 base::FormatBytes(found.bytes).c_str());
  }
  void Clear() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  const bool shown_ = isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point last_;
};

void PrintSummary(const server::FolderCheck& found, const FsckOptions& options) {
  const auto line = [](uint64_t count, const std::string& text) {
    if (count > 0) std::printf("%s %s\n", Count(count, "content").c_str(), text.c_str());
  };
  std::printf("%s, %s: %llu damaged\n", Count(found.objects, "object").c_str(), base::FormatBytes(found.bytes).c_str(),
              static_cast<unsigned long long>(found.damaged));
  line(found.sealed, "written by an older version: checked, and with checksums by block now");
  line(found.unsealed - found.sealed, std::string("without checksums by block, written by an older version") +
                                          (options.repair.seal ? "" : " (--repair adds them)"));
  line(found.returning, "of objects in quarantine/: the next start moves them back");
  line(found.restored, "made objects of bucket '" + options.repair.restore_to + "'");
  const uint64_t left = found.unknown + found.quarantined - found.restored;
  line(left, "that no object names, kept (--repair --restore-to BUCKET makes objects of those that are not damaged)");
}

Result<int> Fsck(const FsckOptions& options) {
  const CallContext context = Interruptible();
  Progress progress;
  const auto say = [&](const std::string& fault) {
    progress.Clear();
    std::printf("%s\n", base::Printable(fault).c_str());
  };
  const auto step = [&](const server::FolderCheck& found) -> Result<void> {
    progress.Show(found);
    if (context.stop.stop_requested()) return base::Cancelled("interrupted");
    return {};
  };
  auto checked = server::CheckServedFolder(options.directory, options.repair, say, step);
  progress.Clear();
  if (!checked) return std::move(checked).error();
  PrintSummary(*checked, options);
  return checked->damaged > 0 ? ExitCodeOf(ErrorCode::kDataLoss) : kExitOk;
}

}  // namespace

void AddFsckCommand(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<FsckOptions>();
  CLI::App& command = AddCommand(app, "fsck", "Check every object in a server's folder against its checksums",
                                 "seamount fsck ~/lab-data\n"
                                 "seamount fsck ~/lab-data --repair --restore-to rescued");
  command.add_option("DIR", options->directory, "The folder; no server may run on it")->required();
  auto* repair = command.add_flag("--repair", options->repair.seal,
                                  "Give contents of older versions checksums by block. Deletes nothing");
  command
      .add_option("--restore-to", options->repair.restore_to,
                  "Make contents that no object names objects of this bucket, named by their ids")
      ->type_name("BUCKET")
      ->needs(repair);
  OnChosen(command, chosen, [options] { return Fsck(*options); });
}

}  // namespace seamount::cli
