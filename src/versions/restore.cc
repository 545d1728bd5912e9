#include "versions/restore.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/os_error.h"
#include "base/text.h"
#include "exec/for_each.h"
#include "versions/local_target.h"
#include "versions/repository.h"

namespace seamount::versions {
namespace {

namespace fs = std::filesystem;

struct Work {
  const File* file;
  std::unique_ptr<NewFile> target;
};

// What is to be done of one file: a chunk, or none where the file is empty.
struct Part {
  size_t file;
  const Chunk* chunk;
  uint64_t offset;
};

Error InTheWay(const std::string& path) {
  return base::PreconditionFailed("'" + path +
                                  "' is there with another content: nothing was written (say --overwrite "
                                  "to replace it, or choose another folder)");
}

class Restoring {
 public:
  Restoring(Store& store, const Manifest& manifest, const RestoreOptions& options)
      : store_(store), manifest_(manifest), options_(options), pool_(options.connections) {}

  Result<Restored> Run(const CallContext& context) {
    std::error_code error;
    fs::create_directories(options_.folder, error);
    if (error) return base::OsError(error.value(), "making the folder", options_.folder);
    SEAMOUNT_TRY_ASSIGN(const Unfinished unfinished, Unfinished::Enter(options_.folder, context));
    SEAMOUNT_TRY_ASSIGN(const std::vector<size_t> missing, MissingFiles(context));
    SEAMOUNT_TRY_ASSIGN(const std::vector<Link> links, MissingLinks());
    SEAMOUNT_TRY(FetchAll(unfinished, missing, context));
    for (const Link& link : links) SEAMOUNT_TRY(MakeLink(options_.folder, link));
    for (const std::string& folder : manifest_.folders) {
      fs::create_directories(options_.folder + "/" + folder, error);
      if (error) return base::OsError(error.value(), "making the folder", folder);
    }
    return Restored{.files = manifest_.files.size(),
                    .kept_files = manifest_.files.size() - missing.size(),
                    .bytes = manifest_.SizeBytes(),
                    .fetched_bytes = fetched_};
  }

 private:
  Result<std::vector<size_t>> MissingFiles(const CallContext& context) {
    std::vector<Found> found(manifest_.files.size());
    SEAMOUNT_TRY(ForEachOf(found.size(), context, [&](size_t i, const CallContext& inner) -> Result<void> {
      SEAMOUNT_TRY_ASSIGN(found[i], LookForFile(options_.folder, manifest_.files[i], inner));
      if (found[i] == Found::kOther && !options_.overwrite)
        return InTheWay(options_.folder + "/" + manifest_.files[i].path);
      if (found[i] == Found::kSame) options_.on_bytes(manifest_.files[i].size);
      return {};
    }));
    std::vector<size_t> missing;
    for (size_t i = 0; i < found.size(); ++i) {
      if (found[i] != Found::kSame) missing.push_back(i);
    }
    return missing;
  }

  Result<std::vector<Link>> MissingLinks() const {
    std::vector<Link> missing;
    for (const Link& link : manifest_.links) {
      SEAMOUNT_TRY_ASSIGN(const Found found, LookForLink(options_.folder, link));
      if (found == Found::kOther && !options_.overwrite) return InTheWay(options_.folder + "/" + link.path);
      if (found != Found::kSame) missing.push_back(link);
    }
    return missing;
  }

  Result<void> FetchAll(const Unfinished& unfinished, const std::vector<size_t>& missing, const CallContext& context) {
    std::vector<Work> work;
    std::vector<Part> parts;
    for (const size_t i : missing) {
      const File& file = manifest_.files[i];
      uint64_t offset = 0;
      for (const Chunk& chunk : file.chunks) {
        parts.push_back({work.size(), &chunk, offset});
        offset += chunk.size;
      }
      if (file.chunks.empty()) parts.push_back({work.size(), nullptr, 0});
      work.push_back({&file, std::make_unique<NewFile>(options_.folder, unfinished, file)});
    }
    return ForEachOf(parts.size(), context, [&](size_t i, const CallContext& inner) -> Result<void> {
      const Part& part = parts[i];
      if (part.chunk != nullptr) SEAMOUNT_TRY(Fetch(work[part.file], part, inner));
      return work[part.file].target->Done();
    });
  }

  Result<void> Fetch(const Work& work, const Part& part, const CallContext& context) {
    SEAMOUNT_TRY_ASSIGN(const bool there, work.target->Has(*part.chunk, part.offset));
    if (!there) {
      SEAMOUNT_TRY_ASSIGN(const auto read, store_.Read(ChunkKey(part.chunk->digest), {}, context));
      if (!read) return Damaged(*work.file, part, "is missing");
      if (read->data.size() != part.chunk->size || DigestOf(read->data.span()) != part.chunk->digest)
        return Damaged(*work.file, part, "does not have its checksum");
      SEAMOUNT_TRY(work.target->Put(part.offset, read->data));
      fetched_ += part.chunk->size;
    }
    options_.on_bytes(part.chunk->size);
    return {};
  }

  Error Damaged(const File& file, const Part& part, const std::string& how) const {
    return base::DataLoss("version '" + manifest_.name + "', file '" + file.path + "': the chunk at byte " +
                          std::to_string(part.offset) + " (" + ChunkKey(part.chunk->digest) + ") " + how);
  }

  Result<void> ForEachOf(size_t count, const CallContext& context,
                         const std::function<Result<void>(size_t, const CallContext&)>& body) {
    return exec::ForEachItem(pool_, static_cast<size_t>(pool_.threads()), count, context,
                             [&](size_t i, size_t, const CallContext& inner) { return body(i, inner); });
  }

  Store& store_;
  const Manifest& manifest_;
  const RestoreOptions& options_;
  std::atomic<uint64_t> fetched_ = 0;
  exec::ThreadPool pool_;
};

bool IsAt(const std::string& path, const std::string& wanted) {
  return path == wanted || (path.starts_with(wanted) && path[wanted.size()] == '/');
}

}  // namespace

Result<Manifest> PartOf(const Manifest& manifest, const std::string& path) {
  std::string wanted = path;
  while (wanted.ends_with('/')) wanted.pop_back();
  if (wanted.empty()) return manifest;
  Manifest part{.name = manifest.name, .saved = manifest.saved, .message = manifest.message};
  std::vector<std::string> names;
  for (const File& file : manifest.files) {
    names.push_back(file.path);
    if (IsAt(file.path, wanted)) part.files.push_back(file);
  }
  for (const Link& link : manifest.links) {
    names.push_back(link.path);
    if (IsAt(link.path, wanted)) part.links.push_back(link);
  }
  for (const std::string& folder : manifest.folders) {
    if (IsAt(folder, wanted)) part.folders.push_back(folder);
  }
  if (part.files.empty() && part.links.empty() && part.folders.empty())
    return base::NotFound("version '" + manifest.name + "' has no '" + wanted + "'" + base::NameHint(wanted, names));
  return part;
}

Result<Restored> Restore(Store& store, const Manifest& manifest, const RestoreOptions& options,
                         const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const Manifest part, PartOf(manifest, options.path));
  return Restoring(store, part, options).Run(context);
}

}  // namespace seamount::versions
