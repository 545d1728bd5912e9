// Random operations against a plain map of paths to bytes. With a healthy store every answer must be the model's; with
// one that fails at random, an operation may fail, but no file may ever hold anything but its content before or after.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <set>

#include "vfs/file_system.h"
#include "vfs/test_store.h"

namespace seamount::vfs {
namespace {

unsigned Seed() {
  const char* given = std::getenv("SEAMOUNT_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

// The reference: what a POSIX file system would do, for the operations used here.
class Model {
 public:
  bool IsFolder(const std::string& path) const { return path.empty() || folders.contains(path); }
  bool Exists(const std::string& path) const { return files.contains(path) || IsFolder(path); }
  bool HasBelow(const std::string& path) const {
    const auto below = [&](const std::string& other) { return other.starts_with(path + "/"); };
    for (const auto& [name, content] : files) {
      if (below(name)) return true;
    }
    for (const auto& name : folders) {
      if (below(name)) return true;
    }
    return false;
  }
  int Rename(const std::string& from, const std::string& to) {
    if (!Exists(from)) return ENOENT;
    if (from == to) return 0;
    if (files.contains(from)) {
      if (IsFolder(to)) return EISDIR;
      files[to] = files[from];
      files.erase(from);
      return 0;
    }
    if (files.contains(to)) return ENOTDIR;
    if (to.starts_with(from + "/")) return EINVAL;
    if (IsFolder(to) && HasBelow(to)) return ENOTEMPTY;
    std::map<std::string, std::string> moved_files;
    std::set<std::string> moved_folders;
    const auto moved = [&](const std::string& path) {
      return path == from || path.starts_with(from + "/") ? to + path.substr(from.size()) : path;
    };
    for (const auto& [path, content] : files) moved_files[moved(path)] = content;
    for (const auto& path : folders) moved_folders.insert(moved(path));
    files = std::move(moved_files);
    folders = std::move(moved_folders);
    return 0;
  }

  std::map<std::string, std::string> files;
  std::set<std::string> folders;
};

class ModelTest : public testing::TestWithParam<std::chrono::milliseconds> {
 protected:
  void SetUp() override {
    std::string name = "/tmp/vfs_model-XXXXXX";
    staging_ = mkdtemp(name.data());
    Mount();
  }
  void TearDown() override {
    fs_.reset();
    std::filesystem::remove_all(staging_);
  }
  void Mount() {
    fs_.reset();
    fs_ = FileSystem::Open(store_, {.staging_dir = staging_, .threads = 4, .attribute_ttl = GetParam()}).value();
  }

  // "a/b" → the inode of "a" and "b".
  Outcome<std::pair<uint64_t, std::string>> Parent(const std::string& path) {
    uint64_t at = kRootInode;
    size_t begin = 0;
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
      SEAMOUNT_TRY_ASSIGN(const Attributes found, fs_->Lookup(at, path.substr(begin, slash - begin)));
      if (found.kind != Kind::kDirectory) return Fault{ENOTDIR, path};
      at = found.inode;
      begin = slash + 1;
    }
    return std::pair(at, path.substr(begin));
  }
  Outcome<uint64_t> Inode(const std::string& path) {
    if (path.empty()) return kRootInode;
    SEAMOUNT_TRY_ASSIGN(const auto parent, Parent(path));
    SEAMOUNT_TRY_ASSIGN(const Attributes found, fs_->Lookup(parent.first, parent.second));
    return found.inode;
  }
  Outcome<std::unique_ptr<OpenFile>> OpenOrCreate(const std::string& path, const OpenOptions& options) {
    SEAMOUNT_TRY_ASSIGN(const auto parent, Parent(path));
    auto found = fs_->Lookup(parent.first, parent.second);
    if (found) return fs_->OpenExisting(found->inode, options);
    if (found.error().error != ENOENT) return std::move(found).error();
    SEAMOUNT_TRY_ASSIGN(Created created, fs_->Create(parent.first, parent.second, {.permissions = 0644}, options));
    return std::move(created.file);
  }
  Outcome<void> WriteAt(const std::string& path, uint64_t offset, const std::string& data, const OpenOptions& options,
                        bool append) {
    SEAMOUNT_TRY_ASSIGN(auto file, OpenOrCreate(path, options));
    Outcome<void> result = fs_->Write(*file, append ? 0 : offset, base::AsBytes(data), append);
    if (auto committed = fs_->Commit(*file); result) result = std::move(committed);
    fs_->Release(std::move(file));
    return result;
  }
  Outcome<std::string> ReadWhole(const std::string& path) {
    SEAMOUNT_TRY_ASSIGN(const uint64_t inode, Inode(path));
    SEAMOUNT_TRY_ASSIGN(auto file, fs_->OpenExisting(inode, {}));
    auto pieces = fs_->Read(*file, 0, 1 << 30);
    fs_->Release(std::move(file));
    if (!pieces) return std::move(pieces).error();
    std::string text;
    for (const Bytes& piece : *pieces) text += piece.view();
    return text;
  }

  std::string Path(std::mt19937& random) {
    static const char* const kNames[] = {"a", "b", "c", "d"};
    std::string path = kNames[random() % 4];
    while (random() % 3 == 0) path += std::string("/") + kNames[random() % 4];
    return path;
  }
  bool ParentIsFolder(const std::string& path) const {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos || model_.IsFolder(path.substr(0, slash));
  }

  // One random operation on both; what each answered. `changed` gets the paths whose content it may change.
  std::pair<int, int> Step(std::mt19937& random, std::string& what);
  void CheckAll();
  std::map<std::string, std::string> Walk(const std::string& path, std::set<std::string>& folders);

  std::string staging_;
  std::shared_ptr<TestStore> store_ = std::make_shared<TestStore>();
  std::unique_ptr<FileSystem> fs_;
  Model model_;
};

template <class T>
int ErrorOf(const Outcome<T>& outcome) {
  return outcome ? 0 : outcome.error().error;
}

std::pair<int, int> ModelTest::Step(std::mt19937& random, std::string& what) {
  const std::string path = Path(random);
  const unsigned kind = random() % 12;
  what = std::to_string(kind) + " " + path;
  if (!ParentIsFolder(path)) {
    const int error = ErrorOf(Inode(path));
    return {ENOENT, error == ENOTDIR ? ENOENT : error};
  }
  const bool is_file = model_.files.contains(path), is_folder = model_.IsFolder(path);
  if (kind < 5) {  // write, append, overwrite
    const std::string data(random() % 300, static_cast<char>('a' + random() % 26));
    const uint64_t size = is_file ? model_.files[path].size() : 0;
    const OpenOptions options{.write = true, .truncate = kind == 2};
    const uint64_t offset = kind == 0 ? random() % (size + 50) : kind == 1 ? size : 0;
    const int got = ErrorOf(WriteAt(path, offset, data, options, kind == 1));
    if (is_folder) return {EISDIR, got};
    if (got != 0) return {0, got};
    std::string& content = model_.files[path];
    if (kind == 2) content.clear();
    if (!data.empty() && content.size() < offset) content.resize(offset, '\0');
    content.replace(std::min<size_t>(offset, content.size()), data.size(), data);
    return {0, 0};
  }
  const auto parent = Parent(path);
  if (!parent) return {0, ErrorOf(parent)};
  if (kind == 5) {
    const int got = ErrorOf(fs_->Unlink(parent->first, parent->second));
    if (got == 0) model_.files.erase(path);
    return {is_folder ? EISDIR : is_file ? 0 : ENOENT, got};
  }
  if (kind == 6) {
    const int got = ErrorOf(fs_->MakeDirectory(parent->first, parent->second, {.permissions = 0755}));
    if (got == 0) model_.folders.insert(path);
    return {is_file || is_folder ? EEXIST : 0, got};
  }
  if (kind == 7) {
    const int got = ErrorOf(fs_->RemoveDirectory(parent->first, parent->second));
    const int expected = is_file ? ENOTDIR : !is_folder ? ENOENT : model_.HasBelow(path) ? ENOTEMPTY : 0;
    if (got == 0) model_.folders.erase(path);
    return {expected, got};
  }
  if (kind == 8) {
    const std::string to = Path(random);
    what += " " + to;
    const auto new_parent = Parent(to);
    if (!ParentIsFolder(to) || !new_parent) return {0, new_parent && ParentIsFolder(to) ? ErrorOf(new_parent) : 0};
    const int got = ErrorOf(fs_->Rename(parent->first, parent->second, new_parent->first, new_parent->second, true));
    Model after = model_;
    const int expected = after.Rename(path, to);
    if (got == 0) model_ = std::move(after);
    return {expected, got};
  }
  if (kind == 9 && is_file) {
    const uint64_t size = random() % 400;
    const auto inode = Inode(path);
    if (!inode) return {0, ErrorOf(inode)};
    const int got = ErrorOf(fs_->Change(*inode, {.size_bytes = size}, nullptr));
    if (got == 0) model_.files[path].resize(size, '\0');
    return {0, got};
  }
  const auto read = ReadWhole(path);
  if (is_file && read) {
    EXPECT_EQ(*read, model_.files[path]);
  }
  return {is_folder ? EISDIR : is_file ? 0 : ENOENT, ErrorOf(read)};
}

std::map<std::string, std::string> ModelTest::Walk(const std::string& path, std::set<std::string>& folders) {
  std::map<std::string, std::string> files;
  const auto folder = fs_->OpenFolder(Inode(path).value());
  for (const DirectoryEntry& entry : folder.value()->entries) {
    const std::string below = path.empty() ? entry.name : path + "/" + entry.name;
    if (entry.kind == Kind::kDirectory) {
      folders.insert(below);
      files.merge(Walk(below, folders));
    } else {
      files[below] = ReadWhole(below).value();
    }
  }
  return files;
}

void ModelTest::CheckAll() {
  std::set<std::string> folders;
  const auto files = Walk("", folders);
  ASSERT_EQ(files, model_.files);
  ASSERT_EQ(folders, model_.folders);
}

TEST_P(ModelTest, AgreesWithThePlainMap) {
  const unsigned seed = Seed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    std::string what;
    const auto [expected, got] = Step(random, what);
    ASSERT_EQ(expected, got) << "operation " << i << ": " << what;
    if (i % 100 == 99) {
      ASSERT_NO_FATAL_FAILURE(CheckAll()) << "after operation " << i << ": " << what;
    }
    if (i % 500 == 499) Mount();  // all of it is in the bucket
  }
}

// A program that reads a folder as it was some operations ago, and one that holds a folder's descriptor whatever
// becomes of it: neither brings back what is gone.
TEST_P(ModelTest, OldListingsAndDescriptorsBringNothingBack) {
  const unsigned seed = Seed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  std::unique_ptr<OpenDirectory> listed;
  uint64_t held = kRootInode;
  for (int i = 0; i < 1500; ++i) {
    if (i % 5 == 0) {
      std::vector<std::string> folders(model_.folders.begin(), model_.folders.end());
      folders.emplace_back();
      listed = fs_->OpenFolder(Inode(folders[random() % folders.size()]).value()).value();
      held = Inode(folders[random() % folders.size()]).value();
    }
    std::string what;
    const auto [expected, got] = Step(random, what);
    ASSERT_EQ(expected, got) << "operation " << i << ": " << what;
    for (const DirectoryEntry& entry : listed->entries) {
      if (const auto found = fs_->EntryAttributes(*listed, entry)) fs_->Forget(found->inode, 1);
    }
    ASSERT_EQ(ErrorOf(fs_->Change(held, {.permissions = 0700 + random() % 64}, nullptr)), 0) << i << ": " << what;
    if (i % 50 == 49) {
      ASSERT_NO_FATAL_FAILURE(CheckAll()) << "after operation " << i << ": " << what;
    }
  }
}

// Two mounts that ask for everything anew see each other's work as one would.
TEST_P(ModelTest, TwoMountsAgreeWithThePlainMap) {
  if (GetParam() != std::chrono::milliseconds(0)) return;  // names may be old
  const unsigned seed = Seed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  auto other = FileSystem::Open(store_, {.staging_dir = staging_, .threads = 4, .attribute_ttl = GetParam()}).value();
  for (int i = 0; i < 1500; ++i) {
    if (random() % 2 == 0) std::swap(fs_, other);
    std::string what;
    const auto [expected, got] = Step(random, what);
    ASSERT_EQ(expected, got) << "operation " << i << ": " << what;
    if (i % 100 == 99) {
      ASSERT_NO_FATAL_FAILURE(CheckAll()) << "after operation " << i << ": " << what;
    }
  }
}

TEST_P(ModelTest, AFailingStoreNeverMixesContents) {
  const unsigned seed = Seed();
  SCOPED_TRACE("SEAMOUNT_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::set<std::string> allowed;  // every content that a file may have after this operation
    const Model before = model_;
    for (const auto& [path, content] : before.files) allowed.insert(content);
    // Shared: a read-ahead may still be asking when the operation has ended.
    const auto countdown = std::make_shared<std::atomic<unsigned>>(random() % 12);
    store_->SetFault([countdown](const std::string&, const std::string&) -> Result<void> {
      return (*countdown)-- == 0 ? Result<void>(base::Unavailable("injected")) : Result<void>();
    });
    std::string what;
    const auto [expected, got] = Step(random, what);
    store_->SetFault(nullptr);
    if (got != EIO) {
      ASSERT_EQ(expected, got) << "operation " << i << ": " << what;
      continue;
    }
    // It failed: files may be old, or as the operation would have made them (renamed in part, or emptied by the
    // truncation that came first), but never anything else.
    Mount();
    std::set<std::string> folders;
    const auto files = Walk("", folders);
    for (const auto& [path, content] : files) {
      const auto was = before.files.find(path);
      const bool known = allowed.contains(content) || content.empty() ||
                         (was != before.files.end() && content.starts_with(was->second.substr(0, content.size())));
      ASSERT_TRUE(known) << "operation " << i << ": " << what << ": '" << path << "' holds '" << content << "'";
    }
    for (const auto& [path, content] : before.files) {
      const bool somewhere =
          std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.second == content; });
      const bool target = what.find(path) != std::string::npos;  // the operation's own file may be changed or gone
      ASSERT_TRUE(somewhere || target) << "operation " << i << ": " << what << " lost '" << path << "'";
    }
    model_.files = files;
    model_.folders = folders;
  }
}

INSTANTIATE_TEST_SUITE_P(Ttl, ModelTest, testing::Values(std::chrono::milliseconds(0), std::chrono::milliseconds(1000)),
                         [](const auto& ttl) { return "Ms" + std::to_string(ttl.param.count()); });

}  // namespace
}  // namespace seamount::vfs
