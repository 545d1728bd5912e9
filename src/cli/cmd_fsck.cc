// seamount fsck: checks a server's folder.
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

Result<int> Fsck(const std::string& directory) {
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
  auto checked = server::CheckServedFolder(directory, say, step);
  progress.Clear();
  if (!checked) return std::move(checked).error();
  const auto count = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("%llu objects, %s: %llu damaged\n", count(checked->objects), base::FormatBytes(checked->bytes).c_str(),
              count(checked->damaged));
  if (checked->unsealed > 0)
    std::printf("%llu contents were written by an older version and have no checksums by block\n",
                count(checked->unsealed));
  if (checked->unknown > 0)
    std::printf("%llu contents in blobs/ that the catalog does not know: the next start puts them aside\n",
                count(checked->unknown));
  if (checked->quarantined > 0)
    std::printf("%llu contents in quarantine/, put aside because the catalog did not know them\n",
                count(checked->quarantined));
  return checked->damaged > 0 ? ExitCodeOf(ErrorCode::kDataLoss) : kExitOk;
}

}  // namespace

void AddFsckCommand(CLI::App& app, Chosen& chosen) {
  auto directory = std::make_shared<std::string>();
  CLI::App& command = AddCommand(app, "fsck", "Check every object in a server's folder against its checksums",
                                 "seamount fsck ~/lab-data");
  command.add_option("DIR", *directory, "The folder; no server may run on it")->required();
  OnChosen(command, chosen, [directory] { return Fsck(*directory); });
}

}  // namespace seamount::cli
