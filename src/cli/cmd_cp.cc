// seamount cp: files and objects from one place to another.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/os_error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/copy_plan.h"
#include "cli/objects.h"
#include "exec/progress.h"

namespace seamount::cli {
namespace {

namespace fs = std::filesystem;

struct CpOptions {
  StoreFlags store;
  std::vector<std::string> places;
  bool recursive = false, json = false;
};

struct Totals {
  uint64_t copied = 0, kept = 0, bytes = 0;
};

// The bytes of standard input in a file without a name, since an upload must know how many there are.
Result<base::Fd> SpoolInput() {
  const char* folder = std::getenv("TMPDIR");
  const std::string where = folder && *folder ? folder : "/tmp";
  base::Fd spool(::open(where.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!spool) return base::OsError(errno, "keeping standard input in", where);
  std::vector<char> buffer(1 << 20);
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::InvalidArgument(std::string("reading standard input: ") + std::strerror(errno));
    if (n == 0) return spool;
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = ::write(spool.get(), buffer.data() + done, static_cast<size_t>(n - done));
      if (written < 0 && errno != EINTR)
        return base::ResourceExhausted("keeping standard input in '" + where + "' ($TMPDIR): " + std::strerror(errno));
      done += std::max<ssize_t>(written, 0);
    }
  }
}

class Copier {
 public:
  explicit Copier(const CpOptions& options) : options_(options), context_(Interruptible()) {}

  Result<void> Copy(const std::string& source_text, const std::string& dest_text, bool many) {
    SEAMOUNT_TRY_ASSIGN(const Place source, ParsePlace(source_text));
    SEAMOUNT_TRY_ASSIGN(const Place dest, ParsePlace(dest_text));
    const bool from_bucket = source.kind == Place::Kind::kBucket, to_bucket = dest.kind == Place::Kind::kBucket;
    if (!from_bucket && !to_bucket)
      return base::InvalidArgument("neither " + source.text + " nor " + dest.text +
                                   " is in a bucket (expected a gs:// URL)");
    std::error_code error;
    // With -r a folder that is there is the copy itself, so that the same command goes on with it.
    const bool is_there = dest.kind == Place::Kind::kLocal && fs::is_directory(dest.path, error);
    const bool is_folder = dest.SaysFolder() || (is_there && !options_.recursive);
    if (many && !is_folder)
      return base::InvalidArgument(dest.text + ": several things are copied into a folder (put a '/' behind its name)");
    if (source.kind == Place::Kind::kStream && is_folder)
      return base::InvalidArgument(dest.text + ": what comes from standard input needs a name");
    std::string target = TargetOf(source, dest, is_folder);
    while (!to_bucket && target.size() > 1 && target.ends_with('/')) target.pop_back();
    if (dest.kind == Place::Kind::kStream) return ToOutput(source);
    if (source.kind == Place::Kind::kStream) return FromInput(dest);
    if (!from_bucket) return FromFiles(source, dest, target);
    return to_bucket ? Between(source, dest, target) : ToFiles(source, target);
  }

  const Totals& totals() const { return totals_; }

 private:
  // One store for each bucket, so that copies within it stay on the server.
  Result<Store*> StoreOf(const Place& place) {
    auto& store = stores_[place.bucket];
    if (!store) {
      SEAMOUNT_TRY_ASSIGN(store, OpenFromFlags(place.bucket, options_.store));
    }
    return store.get();
  }

  Result<void> FromFiles(const Place& source, const Place& dest, const std::string& target) {
    SEAMOUNT_TRY_ASSIGN(Store* const to, StoreOf(dest));
    SEAMOUNT_TRY_ASSIGN(const CopyPlan plan, PlanUpload(source, *to, target, options_.recursive, context_));
    return Run(plan, [&](const Moved& moved) { return UploadAll(*to, plan.uploads, moved, context_); });
  }

  Result<void> ToFiles(const Place& source, const std::string& target) {
    SEAMOUNT_TRY_ASSIGN(Store* const from, StoreOf(source));
    SEAMOUNT_TRY_ASSIGN(const CopyPlan plan, PlanDownload(*from, source, target, options_.recursive, context_));
    for (const std::string& folder : plan.folders) {
      std::error_code error;
      fs::create_directories(folder, error);
      if (error) return base::InvalidArgument("making folder '" + folder + "': " + error.message());
    }
    return Run(plan, [&](const Moved& moved) { return DownloadAll(*from, plan.downloads, moved, context_); });
  }

  Result<void> Between(const Place& source, const Place& dest, const std::string& target) {
    SEAMOUNT_TRY_ASSIGN(Store* const from, StoreOf(source));
    SEAMOUNT_TRY_ASSIGN(Store* const to, StoreOf(dest));
    SEAMOUNT_TRY_ASSIGN(const CopyPlan plan, PlanTransfer(*from, source, *to, target, options_.recursive, context_));
    return Run(plan, [&](const Moved& moved) { return CopyAll(*from, *to, plan.transfers, moved, context_); });
  }

  Result<void> Run(const CopyPlan& plan, const std::function<Result<void>(const Moved&)>& run) {
    for (const std::string& skipped : plan.skipped)
      std::fprintf(stderr, "seamount cp: left out: %s\n", skipped.c_str());
    {
      exec::Progress progress("copying", plan.bytes, /*unit_bytes=*/true, !options_.json);
      SEAMOUNT_TRY(run([&](uint64_t bytes) { progress.Add(bytes); }));
    }
    totals_.copied += plan.uploads.size() + plan.downloads.size() + plan.transfers.size();
    totals_.kept += plan.kept;
    totals_.bytes += plan.bytes;
    return {};
  }

  Result<void> FromInput(const Place& dest) {
    SEAMOUNT_TRY_ASSIGN(Store* const to, StoreOf(dest));
    SEAMOUNT_TRY_ASSIGN(const base::Fd spool, SpoolInput());
    const auto size = static_cast<uint64_t>(::lseek(spool.get(), 0, SEEK_END));
    const auto written = to->Write(dest.path, store::FileSource(spool.get(), 0, size), {}, context_);
    if (!written) return written.error();
    ++totals_.copied;
    totals_.bytes += size;
    return {};
  }

  Result<void> ToOutput(const Place& source) {
    SEAMOUNT_TRY_ASSIGN(Store* const from, StoreOf(source));
    SEAMOUNT_TRY_ASSIGN(const auto objects, ObjectsOf(*from, source, Folders::kRefused, context_));
    const store::ObjectInfo& object = objects.front();
    return Stream(*from, object, {0, object.size_bytes}, WriteOutput, context_);
  }

  const CpOptions& options_;
  const CallContext context_;
  std::map<std::string, std::shared_ptr<Store>> stores_;
  Totals totals_;
};

Result<int> Cp(const CpOptions& options) {
  if (options.places.size() < 2) return base::InvalidArgument("expected what to copy, and where to");
  const std::string& dest = options.places.back();
  Copier copier(options);
  for (size_t i = 0; i + 1 < options.places.size(); ++i) {
    SEAMOUNT_TRY(copier.Copy(options.places[i], dest, options.places.size() > 2));
  }
  const Totals& totals = copier.totals();
  if (options.json) {
    const nlohmann::json json = {{"copied", totals.copied}, {"kept", totals.kept}, {"bytes", totals.bytes}};
    std::puts(json.dump().c_str());
  } else if (dest != "-") {
    const std::string kept =
        totals.kept == 0 ? "" : ", " + std::to_string(totals.kept) + " were there already with the same content";
    std::printf("%s copied, %s%s\n", Count(totals.copied, "object").c_str(), base::FormatBytes(totals.bytes).c_str(),
                kept.c_str());
  }
  return kExitOk;
}

}  // namespace

void AddCpCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& command = AddCommand(app, "cp",
                                 "Copy files and objects, many at once; each appears whole or not at all. Within one "
                                 "bucket the server copies, between two the bytes go through this machine",
                                 "seamount cp model.pt gs://winds/models/ --key winds-key.json\n"
                                 "seamount cp -r gs://winds/winds.zarr winds.zarr\n"
                                 "tar c run | seamount cp - gs://winds/run.tar");
  const auto options = std::make_shared<CpOptions>();
  command
      .add_option(
          "PLACE", options->places,
          "What to copy, and last where to: gs://bucket/key, a path, or - for standard input or output. A place "
          "that ends in / (or without -r a folder that is there) is one to copy into")
      ->required();
  command.add_flag("-r,--recursive", options->recursive,
                   "All that lies in a folder; what is there with the same content is kept, so a copy that was broken "
                   "off goes on");
  AddStoreFlags(command, options->store);
  AddJsonFlag(command, options->json);
  OnChosen(command, chosen, [options] { return Cp(*options); });
}

}  // namespace seamount::cli
