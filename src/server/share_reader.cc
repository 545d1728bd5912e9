#include "server/share_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/os_error.h"

namespace seamount::server {
namespace {

// So much of each answer in progress is in memory.
constexpr uint64_t kWindowBytes = 256 << 10;

// Reads are copies: with sendfile(2) what a client gets is what is in the page cache when it leaves the machine, after
// any check.
class ShareReader {
 public:
  ShareReader(base::Fd fd, const FileIdentity& identity, std::string what, std::shared_ptr<ShareSums> sums)
      : fd_(std::move(fd)), identity_(identity), what_(std::move(what)), sums_(std::move(sums)) {
    if (!sums_->Find(identity_)) hash_.emplace();
  }

  Result<net::ServerResponse::FilePart> Next(uint64_t begin, uint64_t end) {
    const uint64_t size = std::min(end - begin, kWindowBytes);
    if (begin != window_begin_ || window_.size() != size) {
      SEAMOUNT_TRY(Fill(begin, size));
      Hash();
    }
    return net::ServerResponse::FilePart{.fd = -1, .offset = 0, .length = size, .bytes = window_};
  }

 private:
  Error Changed() const { return base::Unavailable(what_ + ": the file changed while it was read: read it again"); }

  Result<void> Fill(uint64_t begin, uint64_t size) {
    window_ = {};
    Buffer buffer(size);
    for (uint64_t done = 0; done < size;) {
      const ssize_t got = pread(fd_.get(), buffer.data() + done, size - done, static_cast<off_t>(begin + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return base::OsError(errno, "reading", what_);
      if (got == 0) return Changed();
      done += static_cast<uint64_t>(got);
    }
    struct stat status {};
    if (fstat(fd_.get(), &status) != 0) return base::OsError(errno, "looking at", what_);
    if (IdentityOf(status) != identity_) return Changed();
    window_ = std::move(buffer);
    window_begin_ = begin;
    return {};
  }

  void Hash() {
    if (!hash_ || window_begin_ != hashed_) return;
    hash_->Add(window_.span());
    hashed_ += window_.size();
    if (hashed_ != identity_.size) return;
    sums_->Keep(identity_, {hash_->crc32c(), hash_->FinishMd5()});
    hash_.reset();
  }

  const base::Fd fd_;
  const FileIdentity identity_;
  const std::string what_;
  const std::shared_ptr<ShareSums> sums_;
  Bytes window_;
  uint64_t window_begin_ = 0;
  std::optional<ContentHash> hash_;  // of the first hashed_ bytes; empty where the sums are known
  uint64_t hashed_ = 0;
};

}  // namespace

Content ContentOfFile(base::Fd fd, const FileIdentity& identity, std::string what, std::shared_ptr<ShareSums> sums) {
  if (identity.size == 0) return {};
  const auto reader = std::make_shared<ShareReader>(std::move(fd), identity, std::move(what), std::move(sums));
  return {identity.size, {}, [reader](uint64_t begin, uint64_t end) { return reader->Next(begin, end); }};
}

}  // namespace seamount::server
