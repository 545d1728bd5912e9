// seamount vm run at Google: the job goes to the machine through the bucket, and what it says comes back the same way.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "cli/vm_google.h"
#include "cloud/local/program.h"

namespace seamount::cli {
namespace {

using cloud::gce::Job;
using cloud::gce::KeptJob;

constexpr std::chrono::seconds kBetweenLooks(1);

void Say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

struct Archive {
  base::Fd file;
  uint64_t bytes = 0;
};

// The folder as a compressed archive, in a file that has no name any more.
Result<Archive> Pack(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return base::InvalidArgument("--folder '" + folder + "' is no folder");
  }
  std::string path = (std::filesystem::temp_directory_path(error) / "seamount-job-XXXXXX").string();
  base::Fd file(mkostemp(path.data(), O_CLOEXEC));
  if (file.get() < 0) return base::ResourceExhausted("no temporary file like '" + path + "' can be made");
  const auto packed = cloud::local::RunProgram({"tar", "-czf", path, "--exclude-vcs", "-C", folder, "."});
  base::Fd content(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  unlink(path.c_str());
  if (!packed) return packed.error().Wrap("packing '" + folder + "'");
  struct stat status = {};
  if (content.get() < 0 || fstat(content.get(), &status) != 0) return base::Internal("'" + path + "' is gone");
  return Archive{.file = std::move(content), .bytes = static_cast<uint64_t>(status.st_size)};
}

// The machine as it is now, for which a job can be written.
Result<cloud::gce::Instance> RunningMachine(const Google& google, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto intent, google.machines->Find(name, context));
  SEAMOUNT_TRY_ASSIGN(const auto instance, google.machines->Look(intent, context));
  if (!instance || instance->is_stopped()) {
    return base::NotFound("machine '" + name + "' has ended (`seamount vm down " + name + "` clears it away)");
  }
  SEAMOUNT_TRY_ASSIGN(const auto plan, cloud::gce::PlanOfBody(intent.body));
  if (plan.job_key.empty()) {
    return base::PreconditionFailed("machine '" + name + "' was started by an older seamount, and runs no jobs");
  }
  return *instance;
}

Result<KeptJob> Submit(const Google& google, const GoogleRunFlags& flags, const std::string& name, Job job,
                       const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto instance, RunningMachine(google, name, context));
  SEAMOUNT_TRY_ASSIGN(const auto before, google.jobs->Find(name, context));
  if (before && before->job.machine == instance.id) {
    SEAMOUNT_TRY_ASSIGN(const auto ended, google.jobs->HasEnded(name, before->job.id, context));
    if (!ended) {
      return base::PreconditionFailed("machine '" + name + "' runs job " + before->job.id + " (`seamount vm run " +
                                      name + " --attach` shows it)");
    }
  }
  job.id = cloud::gce::Jobs::NewId(base::RealClock().WallNow());
  job.machine = instance.id;
  if (!flags.folder.empty()) {
    SEAMOUNT_TRY_ASSIGN(const Archive archive, Pack(flags.folder));
    Say("copying " + flags.folder + ", " + base::FormatBytes(archive.bytes) + " packed, without version control");
    const store::FileSource source(archive.file.get(), 0, archive.bytes);
    SEAMOUNT_TRY(google.jobs->WriteFiles(name, job.id, source, context));
    job.has_files = true;
  }
  auto kept = google.jobs->Write(name, job, before ? before->generation : store::kAbsent, context);
  if (!kept) return kept.error().Wrap("giving machine '" + name + "' its job");
  Say("job " + job.id + " is for " + name + ", which begins in some seconds (newly started, in a minute or two)");
  return kept;
}

// Shows a job until it has ended, and sees to it that there is a machine that runs it.
class Following {
 public:
  Following(const Google& google, std::string name, KeptJob kept, std::chrono::seconds lease)
      : google_(google), name_(std::move(name)), kept_(std::move(kept)), lease_(lease) {}

  // Shows what the job says until it has ended.
  Result<int> ToTheEnd(const CallContext& context) {
    for (;;) {
      SEAMOUNT_TRY_ASSIGN(const bool news, Show(context));
      if (exit_code_) break;
      if (!news) {
        SEAMOUNT_TRY(LookAfterMachine(context));
        if (!base::RealClock().SleepFor(kBetweenLooks, context.stop)) return base::Cancelled("stop was requested");
      }
    }
    if (kept_.job.has_files) SEAMOUNT_TRY(google_.jobs->RemoveFiles(name_, kept_.job.id, context));
    return *exit_code_;
  }

 private:
  // False: there was nothing new.
  Result<bool> Show(const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const auto progress, google_.jobs->Read(name_, kept_.job.id, pieces_, context));
    std::fwrite(progress.text.data(), 1, progress.text.size(), stdout);
    std::fflush(stdout);
    const bool news = progress.pieces > pieces_;
    pieces_ = progress.pieces;
    exit_code_ = progress.exit_code;
    return news;
  }

  // Its lease is renewed while somebody watches, and another one takes its place where that is wished.
  Result<void> LookAfterMachine(const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const auto intent, google_.machines->Find(name_, context));
    SEAMOUNT_TRY_ASSIGN(const auto instance, google_.machines->Look(intent, context));
    const bool is_there = instance && instance->id == kept_.job.machine && !instance->is_stopped();
    if (is_there) return KeepLease(context);
    // What it said last may have come since.
    for (bool news = true; news && !exit_code_;) {
      SEAMOUNT_TRY_ASSIGN(news, Show(context));
    }
    if (exit_code_) return {};
    if (instance && !instance->is_stopped() && kept_.job.restarts) return GiveTo(*instance, context);
    SEAMOUNT_TRY_ASSIGN(const bool preempted, google_.machines->WasPreempted(intent, kept_.job.machine, context));
    const std::string what =
        "machine '" + name_ + "' " + (preempted ? "was preempted" : "ended") + " before job " + kept_.job.id + " did";
    if (!preempted || !kept_.job.restarts) {
      return base::Unavailable(what + (preempted ? " (--restart-on-preemption goes on on the next one)"
                                                 : ": by its lease, its lifetime, or `vm down`"));
    }
    Say(what + ": starting the next one");
    SEAMOUNT_TRY_ASSIGN(const auto next, google_.machines->Again(name_, google_.bucket_location, Say, context));
    SEAMOUNT_TRY_ASSIGN(const auto fresh, google_.machines->Look(next, context));
    if (!fresh) return base::Unavailable("machine '" + name_ + "' is gone again (the same command goes on)");
    return GiveTo(*fresh, context);
  }

  Result<void> KeepLease(const CallContext& context) {
    const base::SteadyTime now = base::RealClock().Now();
    if (now < renew_at_) return {};
    SEAMOUNT_TRY(google_.machines->Extend(name_, lease_, context));
    renew_at_ = now + lease_ / 4;
    return {};
  }

  Result<void> GiveTo(const cloud::gce::Instance& instance, const CallContext& context) {
    Job job = kept_.job;
    job.machine = instance.id;
    auto kept = google_.jobs->Write(name_, job, kept_.generation, context);
    if (!kept) return kept.error().Wrap("giving the job to the next machine");
    kept_ = *std::move(kept);
    Say("job " + job.id + " goes on in " + instance.zone + ": it is started again there");
    return {};
  }

  const Google& google_;
  const std::string name_;
  KeptJob kept_;
  const std::chrono::seconds lease_;
  base::SteadyTime renew_at_{};
  uint64_t pieces_ = 0;
  std::optional<int> exit_code_;
};

Result<KeptJob> FindJob(const Google& google, const std::string& name, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(auto kept, google.jobs->Find(name, context));
  if (!kept) return base::NotFound("machine '" + name + "' has had no job");
  return *std::move(kept);
}

}  // namespace

std::string GoogleRunFlags::Chosen() const {
  if (!folder.empty()) return "--folder";
  if (restart) return "--restart-on-preemption";
  if (attach) return "--attach";
  return detach ? "--detach" : "";
}

void AddGoogleRunFlags(CLI::App& command, GoogleRunFlags& flags) {
  command.add_option("--folder", flags.folder, "gce: is copied to the machine; the command runs in it")
      ->type_name("DIR");
  command.add_flag("--restart-on-preemption", flags.restart,
                   "gce: when Google takes the machine away, start the next one, and the command anew on it");
  command.add_flag("--attach", flags.attach, "gce: show the machine's job from its beginning, instead of starting one");
  command.add_flag("--detach", flags.detach, "gce: do not wait for its end");
  AddTimeOption(command, "--lease", flags.lease_s, "gce: the machine's, from now on; renewed while you watch", "2h");
}

Result<int> GoogleRun(const GoogleFlags& flags, const GoogleRunFlags& run, const std::string& name,
                      const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment) {
  if (run.attach != argv.empty()) {
    return base::InvalidArgument(run.attach ? "--attach takes no command" : "expected a command, after --");
  }
  if (run.detach && (run.attach || run.restart)) {
    return base::InvalidArgument("--detach: whoever does not watch sees no preemption, and shows nothing");
  }
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const Google google, OpenGoogle(flags));
  const std::chrono::seconds lease(run.lease_s);
  auto kept = run.attach ? FindJob(google, name, context)
                         : Submit(google, run, name,
                                  {.argv = argv, .environment = environment, .restarts = run.restart}, context);
  if (!kept) return kept.error();
  if (run.detach) {
    SEAMOUNT_TRY(google.machines->Extend(name, lease, context));
    return kExitOk;
  }
  auto code = Following(google, name, *std::move(kept), lease).ToTheEnd(context);
  if (!code && code.error().code() == ErrorCode::kCancelled) {
    Say("the job goes on: `seamount vm run " + name + " --attach` shows it, `seamount vm down " + name + "` ends it");
  }
  return code;
}

}  // namespace seamount::cli
