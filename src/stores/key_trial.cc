#include "stores/key_trial.h"

#include <random>
#include <utility>

#include "auth/credentials.h"
#include "gcs/admin.h"
#include "stores/open_store.h"

namespace seamount::stores {
namespace {

constexpr auto kPause = std::chrono::seconds(2);

Result<std::shared_ptr<Store>> Open(const TrialOptions& options) {
  return OpenStore("gs://" + options.bucket, {.endpoint = options.endpoint, .key_file = options.key_file});
}

// Writes, reads and deletes an object.
Result<void> TryWriting(Store& store, const CallContext& context) {
  std::random_device random;
  const std::string key = "seamount-setup-probe-" + std::to_string(random()) + std::to_string(random());
  const std::string content = "written by seamount setup to see that the key works; may be deleted";
  SEAMOUNT_TRY_ASSIGN(const auto written, store.Write(key, store::BytesSource(content), {}, context));
  auto read = store.Read(key, {}, context);
  auto deleted = store.Delete(key, {.if_generation = written.generation}, context);
  if (!read) return std::move(read).error();
  if (!*read || (*read)->data.view() != content)
    return base::DataLoss("object '" + key + "' does not read back as it was written");
  if (!deleted) return std::move(deleted).error();
  return {};
}

// Lists, and reads a byte where there is one.
Result<void> TryReading(Store& store, gcs::Rights rights, const CallContext& context) {
  SEAMOUNT_TRY_ASSIGN(const auto page, store.List({.max_results = 1}, context));
  if (page.objects.empty() || (rights & gcs::kMayRead) == 0) return {};
  const auto read =
      store.Read(page.objects.front().key, {.range = store::ByteRange{.offset = 0, .length = 1}}, context);
  if (!read) return read.error();
  return {};
}

Result<std::string> TryOnce(const TrialOptions& options, const std::shared_ptr<net::HttpClient>& http,
                            const CallContext& context, base::Clock& clock) {
  SEAMOUNT_TRY_ASSIGN(auto tokens,
                      auth::FindCredentials({.key_file = options.key_file, .endpoint = options.endpoint}, *http));
  SEAMOUNT_TRY_ASSIGN(const auto client, gcs::AdminClient::Make(options.endpoint, "", http,
                                                                auth::MakeBearerSigner(std::move(tokens)), clock));
  SEAMOUNT_TRY_ASSIGN(const gcs::Rights rights, client->RightsOn(options.bucket, context));
  if (options.role.known) {
    if (const gcs::Rights missing = options.role.rights & ~rights; missing != 0)
      return base::PermissionDenied("it may not " + gcs::Describe(missing) + ", though it has " + options.role.name);
    if (const gcs::Rights more = rights & ~options.role.rights; more != 0)
      return base::PreconditionFailed("its account may also " + gcs::Describe(more) + ", by another role than " +
                                      options.role.name + " (name another account with --account)");
  }
  SEAMOUNT_TRY_ASSIGN(const auto store, Open(options));
  constexpr gcs::Rights kWriting = gcs::kMayCreate | gcs::kMayRead | gcs::kMayDelete;
  if ((rights & kWriting) == kWriting) {
    SEAMOUNT_TRY(TryWriting(*store, context));
    return std::string("an object was written, read and deleted with this key: it works");
  }
  if ((rights & gcs::kMayList) != 0) {
    SEAMOUNT_TRY(TryReading(*store, rights, context));
  }
  const bool creates = (rights & gcs::kMayCreate) != 0;
  return "this key may " + gcs::Describe(rights) + ", and nothing else" +
         (creates ? ": nothing was written, since it could not be deleted again" : ": it works");
}

}  // namespace

Result<std::string> TryKey(const TrialOptions& options, std::shared_ptr<net::HttpClient> http,
                           const CallContext& context, base::Clock& clock) {
  while (true) {
    auto tried = TryOnce(options, http, context, clock);
    if (tried) return tried;
    const ErrorCode code = tried.error().code();
    const bool may_pass = code == ErrorCode::kPermissionDenied || code == ErrorCode::kUnauthenticated;
    if (!may_pass || clock.Now() >= options.patience)
      return tried.error().Wrap("trying the key '" + options.key_file + "' on bucket '" + options.bucket + "'");
    if (!clock.SleepFor(kPause, context.stop)) return base::Cancelled("setup: stop was requested");
  }
}

}  // namespace seamount::stores
