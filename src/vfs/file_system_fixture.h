// For tests: a file system over a TestStore, with a clock that stands still, and short ways to use it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>

#include "vfs/file_system.h"
#include "vfs/test_store.h"

namespace seamount::vfs {

inline constexpr uint64_t kMiB = 1 << 20;

template <class T>
int ErrorOf(const Outcome<T>& outcome) {
  return outcome ? 0 : outcome.error().error;
}

class FileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/vfs_test-XXXXXX";
    staging_ = mkdtemp(name.data());
    fs_ = FileSystem::Open(store_, {.staging_dir = staging_, .threads = 4, .clock = &clock_}).value();
  }
  void TearDown() override {
    fs_.reset();
    std::filesystem::remove_all(staging_);
  }

  Outcome<Attributes> Look(const std::string& path) {
    uint64_t at = kRootInode;
    Attributes attributes;
    size_t begin = 0;
    while (begin <= path.size()) {
      const size_t end = std::min(path.find('/', begin), path.size());
      SEAMOUNT_TRY_ASSIGN(attributes, fs_->Lookup(at, path.substr(begin, end - begin)));
      at = attributes.inode;
      begin = end + 1;
    }
    return attributes;
  }
  uint64_t Inode(const std::string& path) { return Look(path).value().inode; }
  // As the kernel does: after ESTALE it looks the name up again, once.
  std::unique_ptr<OpenFile> OpenAs(const std::string& path, const OpenOptions& options) {
    auto file = fs_->OpenExisting(Inode(path), options);
    if (ErrorOf(file) == ESTALE) file = fs_->OpenExisting(Inode(path), options);
    return std::move(file).value();
  }
  std::unique_ptr<OpenFile> New(const std::string& name, OpenOptions options = {.write = true}) {
    return fs_->Create(kRootInode, name, {.permissions = 0644}, options).value().file;
  }
  Outcome<void> Put(const std::unique_ptr<OpenFile>& file, uint64_t offset, std::string_view text) {
    return fs_->Write(*file, offset, base::AsBytes(text));
  }
  Outcome<void> Append(const std::unique_ptr<OpenFile>& file, std::string_view text) {
    return fs_->Write(*file, 0, base::AsBytes(text), true);
  }
  std::string Get(const std::unique_ptr<OpenFile>& file, uint64_t offset = 0, uint64_t length = 1 << 30) {
    auto pieces = fs_->Read(*file, offset, length);
    if (!pieces) return "error " + std::to_string(pieces.error().error);
    std::string text;
    for (const Bytes& piece : *pieces) text += piece.view();
    return text;
  }
  std::vector<std::string> Names(const std::string& path = "") {
    std::vector<std::string> names;
    auto folder = fs_->OpenFolder(path.empty() ? kRootInode : Inode(path));
    for (const DirectoryEntry& entry : folder.value()->entries) names.push_back(entry.name);
    return names;
  }
  // What could not be uploaded, and what is told of it.
  std::string Kept() { return KeptFiles(false); }
  std::string KeptRecord() { return KeptFiles(true); }
  std::string KeptFiles(bool records) {
    const std::filesystem::path folder = staging_ + "/kept";
    if (!std::filesystem::exists(folder)) return "(nothing)";
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if ((entry.path().extension() == ".json") != records) continue;
      std::string part(std::filesystem::file_size(entry), '\0');
      FILE* file = std::fopen(entry.path().c_str(), "rb");
      part.resize(std::fread(part.data(), 1, part.size(), file));
      std::fclose(file);
      text += part;
    }
    return text;
  }

  base::FakeClock clock_;
  std::string staging_;
  std::shared_ptr<TestStore> store_ = std::make_shared<TestStore>();
  std::unique_ptr<FileSystem> fs_;
};

}  // namespace seamount::vfs
