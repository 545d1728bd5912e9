// seamount version: versions of folders of models, kept in a bucket.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/time_text.h"
#include "cli/command.h"
#include "exec/progress.h"
#include "versions/diff.h"
#include "versions/folder.h"
#include "versions/remove.h"
#include "versions/restore.h"
#include "versions/save.h"

namespace seamount::cli {
namespace {

using nlohmann::json;
using versions::Manifest;

struct VersionFlags {
  StoreFlags store;
  std::string url, name, other, folder, path, message;
  bool overwrite = false, remove = false, yes = false, json = false, progress_json = false;
};

void Print(const json& told) { std::puts(told.dump(1, ' ', false, json::error_handler_t::replace).c_str()); }

// "13:04:05Z" is of no use in a table: to the minute.
std::string Minute(const std::string& rfc3339) { return rfc3339.substr(0, 10) + " " + rfc3339.substr(11, 5); }

Result<int> Save(const VersionFlags& flags) {
  if (flags.progress_json) exec::Progress::UseJsonLines();
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const Manifest listed, versions::ListFolder(flags.folder));
  versions::SaveOptions options{.folder = flags.folder, .name = flags.name, .message = flags.message};
  Result<versions::Saved> saved = base::Internal("not begun");
  {
    exec::Progress progress("saving", listed.SizeBytes(), /*unit_bytes=*/true, !flags.json || flags.progress_json);
    options.on_bytes = [&progress](uint64_t bytes) { progress.Add(bytes); };
    saved = versions::Save(*store, options, context);
  }
  if (!saved) return saved.error();
  const Manifest& manifest = saved->manifest;
  if (flags.json) {
    Print({{"name", manifest.name},
           {"saved", manifest.saved},
           {"existed", saved->existed},
           {"files", manifest.files.size()},
           {"bytes", manifest.SizeBytes()},
           {"sent_bytes", saved->sent_bytes},
           {"chunks", saved->chunks},
           {"sent_chunks", saved->sent_chunks}});
  } else if (saved->existed) {
    std::printf("version '%s' is there already, with this very content\n", manifest.name.c_str());
  } else {
    std::printf("version '%s' saved: %s, %s; %s sent, the rest was there\n", manifest.name.c_str(),
                Count(manifest.files.size(), "file").c_str(), base::FormatBytes(manifest.SizeBytes()).c_str(),
                base::FormatBytes(saved->sent_bytes).c_str());
  }
  return kExitOk;
}

Result<int> Ls(const VersionFlags& flags) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto all, versions::LoadVersions(*store, context));
  SEAMOUNT_TRY_ASSIGN(const auto tags, versions::ListTags(*store, context));
  std::map<std::string, std::vector<std::string>> tags_of;
  for (const versions::Tag& tag : tags) tags_of[tag.version].push_back(tag.name);
  auto told = json::array();
  if (!flags.json)
    std::printf("%-24s  %-16s  %6s  %10s  %s\n", "VERSION", "SAVED (UTC)", "FILES", "SIZE", "TAGS, MESSAGE");
  for (const versions::StoredVersion& version : all) {
    const Manifest& manifest = version.manifest;
    const std::vector<std::string>& own = tags_of[manifest.name];
    const uint64_t bytes = manifest.SizeBytes();
    if (flags.json) {
      told.push_back({{"name", manifest.name},
                      {"saved", manifest.saved},
                      {"message", manifest.message},
                      {"files", manifest.files.size()},
                      {"bytes", bytes},
                      {"tags", own}});
      continue;
    }
    const std::string names = own.empty() ? "" : "[" + base::Join(own, ", ") + "] ";
    std::printf("%-24s  %-16s  %6zu  %10s  %s%s\n", manifest.name.c_str(), Minute(manifest.saved).c_str(),
                manifest.files.size(), base::FormatBytes(bytes).c_str(), names.c_str(),
                base::Printable(manifest.message).c_str());
  }
  if (flags.json) Print(told);
  return kExitOk;
}

json ToJson(const Manifest& manifest) {
  auto files = json::array(), links = json::array();
  for (const versions::File& file : manifest.files) {
    files.push_back(
        {{"path", file.path}, {"bytes", file.size}, {"executable", file.executable}, {"chunks", file.chunks.size()}});
  }
  for (const versions::Link& link : manifest.links) links.push_back({{"path", link.path}, {"target", link.target}});
  return {{"name", manifest.name},         {"saved", manifest.saved},   {"message", manifest.message},
          {"bytes", manifest.SizeBytes()}, {"files", std::move(files)}, {"links", std::move(links)},
          {"folders", manifest.folders}};
}

Result<int> Show(const VersionFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto version, versions::LoadVersion(*store, flags.name, Interruptible()));
  const Manifest& manifest = version.manifest;
  if (flags.json) {
    Print(ToJson(manifest));
    return kExitOk;
  }
  std::printf("version '%s', saved %s, %s, %s\n", manifest.name.c_str(), manifest.saved.c_str(),
              Count(manifest.files.size(), "file").c_str(), base::FormatBytes(manifest.SizeBytes()).c_str());
  if (!manifest.message.empty()) std::printf("%s\n", base::Printable(manifest.message).c_str());
  for (const versions::File& file : manifest.files) {
    std::printf("%10s  %s%s\n", base::FormatBytes(file.size).c_str(), base::Printable(file.path).c_str(),
                file.executable ? " *" : "");
  }
  for (const versions::Link& link : manifest.links) {
    std::printf("%10s  %s -> %s\n", "link", base::Printable(link.path).c_str(), base::Printable(link.target).c_str());
  }
  return kExitOk;
}

Result<int> Restore(const VersionFlags& flags) {
  if (flags.progress_json) exec::Progress::UseJsonLines();
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto version, versions::LoadVersion(*store, flags.name, context));
  SEAMOUNT_TRY_ASSIGN(const Manifest part, versions::PartOf(version.manifest, flags.path));
  versions::RestoreOptions options{.folder = flags.folder, .overwrite = flags.overwrite};
  Result<versions::Restored> restored = base::Internal("not begun");
  {
    exec::Progress progress("restoring", part.SizeBytes(), /*unit_bytes=*/true, !flags.json || flags.progress_json);
    options.on_bytes = [&progress](uint64_t bytes) { progress.Add(bytes); };
    restored = versions::Restore(*store, part, options, context);
  }
  if (!restored) return restored.error();
  if (flags.json) {
    Print({{"name", part.name},
           {"files", restored->files},
           {"kept_files", restored->kept_files},
           {"bytes", restored->bytes},
           {"fetched_bytes", restored->fetched_bytes}});
  } else {
    std::printf("version '%s' is in %s: %s, %s; %s fetched, the rest was there\n", part.name.c_str(),
                flags.folder.c_str(), Count(restored->files, "file").c_str(),
                base::FormatBytes(restored->bytes).c_str(), base::FormatBytes(restored->fetched_bytes).c_str());
  }
  return kExitOk;
}

const char* WordOf(versions::Change change) {
  switch (change) {
    case versions::Change::kAdded: return "added";
    case versions::Change::kRemoved: return "removed";
    case versions::Change::kChanged: return "changed";
  }
  return "";
}

Result<int> Diff(const VersionFlags& flags) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto before, versions::LoadVersion(*store, flags.name, context));
  SEAMOUNT_TRY_ASSIGN(const auto after, versions::LoadVersion(*store, flags.other, context));
  const auto differences = versions::Diff(before.manifest, after.manifest);
  auto told = json::array();
  for (const versions::Difference& one : differences) {
    if (flags.json) {
      told.push_back({{"change", WordOf(one.change)},
                      {"path", one.path},
                      {"bytes_before", one.size_before},
                      {"bytes", one.size},
                      {"new_bytes", one.new_bytes}});
      continue;
    }
    std::printf("%-8s  %10s  %10s new  %s\n", WordOf(one.change),
                base::FormatBytes(one.change == versions::Change::kRemoved ? one.size_before : one.size).c_str(),
                base::FormatBytes(one.new_bytes).c_str(), base::Printable(one.path).c_str());
  }
  if (flags.json) Print(told);
  if (!flags.json && differences.empty()) std::puts("the two have the same content");
  return kExitOk;
}

Result<int> Tag(const VersionFlags& flags) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  if (flags.remove) {
    if (!flags.other.empty()) return base::InvalidArgument("--delete takes the tag alone");
    SEAMOUNT_TRY_ASSIGN(const bool removed, versions::RemoveTag(*store, flags.name, context));
    if (!removed) return base::NotFound("there is no tag '" + flags.name + "'");
    std::printf("tag '%s' is removed; the version stays\n", flags.name.c_str());
    return kExitOk;
  }
  if (flags.other.empty()) return base::InvalidArgument("which version the tag shall mean is not said (TAG VERSION)");
  SEAMOUNT_TRY_ASSIGN(const auto before, versions::SetTag(*store, flags.name, flags.other, context));
  const std::string was = before.empty() ? "is new" : "meant '" + before + "'";
  std::printf("tag '%s' means version '%s' now; it %s\n", flags.name.c_str(), flags.other.c_str(), was.c_str());
  return kExitOk;
}

constexpr base::Duration kFreedAfter = 2 * versions::kSaveTime;

std::string FreedFrom() {
  const auto when = base::RealClock().WallNow() + kFreedAfter;
  return base::FormatRfc3339(std::chrono::time_point_cast<base::SystemTime::duration>(when), 0).substr(0, 10);
}

Result<void> Confirm(const VersionFlags& flags, uint64_t bytes) {
  if (flags.yes) return {};
  const std::string what = "version '" + flags.name + "' would be removed, and the " + base::FormatBytes(bytes) +
                           " that no other version needs freed from " + FreedFrom() + " on";
  if (isatty(STDIN_FILENO) == 0) return base::InvalidArgument(what + ": say --yes");
  std::fprintf(stderr, "%s. Go on? [y/N] ", what.c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return base::Cancelled("nothing was removed");
}

Result<int> Rm(const VersionFlags& flags) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto all, versions::LoadVersions(*store, context));
  const uint64_t bytes = versions::BytesOfItsOwn(all, flags.name);
  SEAMOUNT_TRY_ASSIGN(const auto found, versions::FindVersion(*store, flags.name, context));
  if (found) SEAMOUNT_TRY(Confirm(flags, bytes));
  SEAMOUNT_TRY(versions::RemoveVersion(*store, flags.name, context));
  if (flags.json) {
    Print({{"removed", flags.name}, {"bytes_to_free", bytes}, {"free_from", FreedFrom()}});
  } else {
    std::printf("version '%s' is removed; `seamount version gc` frees its %s from %s on\n", flags.name.c_str(),
                base::FormatBytes(bytes).c_str(), FreedFrom().c_str());
  }
  return kExitOk;
}

Result<int> Gc(const VersionFlags& flags) {
  SEAMOUNT_TRY_ASSIGN(const auto store, OpenFromFlags(flags.url, flags.store));
  SEAMOUNT_TRY_ASSIGN(const auto freed, versions::FreeUnneeded(*store, versions::kSaveTime, Interruptible()));
  if (flags.json) {
    Print({{"freed_chunks", freed.chunks}, {"freed_bytes", freed.bytes}, {"waiting_bytes", freed.waiting_bytes}});
  } else {
    std::printf("%s freed; %s more are needed by no version, and not freed until %lld days after they were\n",
                base::FormatBytes(freed.bytes).c_str(), base::FormatBytes(freed.waiting_bytes).c_str(),
                static_cast<long long>(kFreedAfter / std::chrono::hours(24)));
  }
  return kExitOk;
}

struct Subcommand {
  const char *name, *summary, *example;
  Result<int> (*run)(const VersionFlags&);
};

// With the flags that all have, and those that `more` adds.
void Add(CLI::App& version, Chosen& chosen, const Subcommand& which,
         const std::function<void(CLI::App&, VersionFlags&)>& more) {
  CLI::App& command = AddCommand(version, which.name, which.summary, which.example);
  const auto flags = std::make_shared<VersionFlags>();
  more(command, *flags);
  AddStoreFlags(command, flags->store);
  OnChosen(command, chosen, [flags, run = which.run] { return run(*flags); });
}

void AddUrl(CLI::App& command, VersionFlags& flags) {
  command.add_option("URL", flags.url, "Where the versions are: gs://bucket/folder, with nothing else in it")
      ->required();
}

// For programs that draw it themselves.
void AddProgressFlag(CLI::App& command, VersionFlags& flags) {
  command.add_flag("--progress-json", flags.progress_json, "Print progress as lines of JSON on standard error");
}

void AddName(CLI::App& command, VersionFlags& flags, const char* what) {
  command.add_option("NAME", flags.name, what)->required();
}

void AddReading(CLI::App& version, Chosen& chosen) {
  Add(version, chosen, {"ls", "List the versions", "seamount version ls gs://lab/models/forecast", Ls},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddJsonFlag(command, flags.json);
      });
  Add(version, chosen, {"show", "List what is in a version", "seamount version show gs://lab/models/forecast v2", Show},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddName(command, flags, "The version, or a tag");
        AddJsonFlag(command, flags.json);
      });
  Add(version, chosen,
      {"restore", "Write a version to a folder, every byte checked",
       "seamount version restore gs://lab/models/forecast v2 model/\n"
       "seamount version restore gs://lab/models/forecast prod model/ --path config.json",
       Restore},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddName(command, flags, "The version, or a tag");
        command.add_option("FOLDER", flags.folder, "Where to; what is there with the same content stays")->required();
        command.add_option("--path", flags.path, "This file or folder of the version alone");
        command.add_flag("--overwrite", flags.overwrite, "Replace files that are there with another content");
        AddProgressFlag(command, flags);
        AddJsonFlag(command, flags.json);
      });
  Add(version, chosen,
      {"diff", "Say which files differ between two versions, and how many bytes of them are new",
       "seamount version diff gs://lab/models/forecast v1 v2", Diff},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddName(command, flags, "The version before, or a tag");
        command.add_option("OTHER", flags.other, "The version after, or a tag")->required();
        AddJsonFlag(command, flags.json);
      });
}

void AddChanging(CLI::App& version, Chosen& chosen) {
  Add(version, chosen,
      {"save", "Save a folder as a version; what the bucket has already is not sent again",
       "seamount version save model/ gs://lab/models/forecast v2 -m 'trained on ERA5 1979-2020'", Save},
      [](CLI::App& command, VersionFlags& flags) {
        command.add_option("FOLDER", flags.folder, "What to save")->required();
        AddUrl(command, flags);
        AddName(command, flags, "What to call it; a version never changes");
        command.add_option("-m,--message", flags.message, "What there is to say about it");
        AddProgressFlag(command, flags);
        AddJsonFlag(command, flags.json);
      });
  Add(version, chosen,
      {"tag", "Make a tag mean a version, at one stroke; what a tag means is not removed",
       "seamount version tag gs://lab/models/forecast prod v2\n"
       "seamount version tag gs://lab/models/forecast prod --delete",
       Tag},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        command.add_option("TAG", flags.name, "The tag")->required();
        command.add_option("VERSION", flags.other, "What it shall mean");
        command.add_flag("--delete", flags.remove, "Remove the tag");
      });
  Add(version, chosen,
      {"rm", "Remove a version; what others need stays", "seamount version rm gs://lab/models/forecast v1 --yes", Rm},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddName(command, flags, "The version");
        command.add_flag("-y,--yes", flags.yes, "Do not ask");
        AddJsonFlag(command, flags.json);
      });
  Add(version, chosen,
      {"gc", "Free what no version has needed for 14 days", "seamount version gc gs://lab/models/forecast", Gc},
      [](CLI::App& command, VersionFlags& flags) {
        AddUrl(command, flags);
        AddJsonFlag(command, flags.json);
      });
}

}  // namespace

void AddVersionCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& version = AddCommand(app, "version", "Keep versions of large models in a bucket, each chunk once",
                                 "seamount version save model/ gs://lab/models/forecast v2\n"
                                 "seamount version ls gs://lab/models/forecast\n"
                                 "seamount version restore gs://lab/models/forecast v2 model/");
  version.require_subcommand(1);
  AddChanging(version, chosen);
  AddReading(version, chosen);
}

}  // namespace seamount::cli
