// Checks of the way to storage, each resting on the ones before it.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>

#include "auth/credential_account.h"
#include "auth/credentials.h"
#include "auth/key_certificate.h"
#include "auth/service_account_key.h"
#include "base/text.h"
#include "base/time_text.h"
#include "cli/checks.h"

namespace seamount::cli {
namespace {

constexpr std::chrono::seconds kAnswerWithin(5);  // a page of nothing

Check Found(std::string name, const Error& error, std::string advice) {
  return {
      .name = std::move(name), .finding = Finding::kFailure, .detail = error.message(), .advice = std::move(advice)};
}

Check CheckClock(const net::HttpResponse& response) {
  Check check{.name = "clock"};
  const auto date = response.headers.Get("date");
  const auto server = date ? base::ParseHttpDate(*date) : std::nullopt;
  if (!server) {
    check.detail = "the server tells no time";
    return check;
  }
  const int64_t skew = std::time(nullptr) - std::chrono::system_clock::to_time_t(*server);
  check.detail = std::to_string(skew) + " s from the server's";
  constexpr int64_t kTolerated = 60, kRefused = 300;  // tokens are refused when signed five minutes off
  if (std::abs(skew) <= kTolerated) return check;
  check.finding = std::abs(skew) > kRefused ? Finding::kFailure : Finding::kWarning;
  check.advice = "set this machine's clock (timedatectl set-ntp true): signed requests expire";
  return check;
}

// Why nothing answers, by what was heard of the network.
std::string AdviceOnEndpoint(const Error& error, const std::string& endpoint) {
  const std::string& heard = error.message();
  const auto says = [&](const char* words) { return heard.find(words) != std::string::npos; };
  if (says("wrong version number")) return "the server speaks no TLS: write http:// in its address";
  if (says("certificate") || says("SSL")) {
    return "this machine does not trust the server's certificate: for one of your own, --ca cert.pem (in Python "
           "SEAMOUNT_CA=cert.pem), or add it to the system's (update-ca-certificates)";
  }
  switch (error.code()) {
    case ErrorCode::kInvalidArgument: return "correct --endpoint: http://HOST:PORT or https://HOST:PORT";
    case ErrorCode::kUnavailable: break;
    default: return "look at the server's log";
  }
  if (endpoint.starts_with("http://") && (says("reset by peer") || says("Empty reply") || says("HTTP/0.9"))) {
    return "if the server speaks TLS, write https:// in its address";
  }
  if (says("onnect to") || says("esolve host") || says("refused") || says("nreachable")) {
    return "check address and network, and whether the server runs; behind a proxy, set HTTPS_PROXY";
  }
  return "the server takes connections and does not answer: look at its log and its disk, or start it again";
}

Check CheckKeyFile(const std::string& path) {
  const auto text = auth::ReadCredentialFile(path);
  const auto type = text ? auth::CredentialType(text->Reveal(), path) : Result<std::string>(text.error());
  if (type && *type != "service_account" && *type != "impersonated_service_account") {
    return {.name = "key", .detail = path + " is of type " + *type};
  }
  const auto account = auth::AccountOfCredential(path);
  if (!account) return Found("key", account.error(), "make a new one with `seamount setup`, and chmod 600");
  return {.name = "key",
          .detail = path + (account->has_key ? " is of " : " holds no secret, and acts as ") + account->email};
}

// How old the key is and when it ends, where its server shows that.
void CheckKeyTimes(const std::string& path, net::HttpClient& http, const Hear& hear, const CallContext& context) {
  constexpr std::chrono::hours kOld(24 * 90), kSoon(24 * 7), kForEver(24 * 365 * 50);
  const auto account = auth::AccountOfCredential(path);
  if (!account || !account->has_key) return;
  const auto times = auth::TimesOfKey(path, http, context);
  const std::string renew =
      "make a new one (`seamount setup gs://BUCKET --key NEW.json`), then take this one back "
      "(`seamount keys rm`)";
  if (!times && times.error().code() == ErrorCode::kUnauthenticated)
    return hear(Found("key age", times.error(), renew));
  if (!times || !*times) return;  // nobody tells
  const base::SystemTime now = base::RealClock().WallNow();
  const auto age = now - (*times)->made, left = (*times)->expires - now;
  Check check{.name = "key age", .detail = "made " + base::FormatDuration(age) + " ago"};
  if (left < kForEver) check.detail += left.count() < 0 ? ", expired" : ", expires in " + base::FormatDuration(left);
  if (left < kSoon) {
    check.finding = left.count() < 0 ? Finding::kFailure : Finding::kWarning;
    check.advice = renew;
  } else if (age > kOld) {
    check.finding = Finding::kWarning;
    check.advice = "a key that leaked works until it is taken back: " + renew;
  }
  hear(check);
}

Check CheckCredentials(const StoreFlags& flags, const std::string& endpoint, net::HttpClient& http,
                       const CallContext& context) {
  const auto source =
      auth::FindCredentials({.key_file = flags.key, .anonymous = flags.anonymous, .endpoint = endpoint}, http);
  if (!source) return Found("credentials", source.error(), "name a key with --key, or use --anonymous");
  const auto token = (*source)->GetToken(endpoint, {}, context);
  if (!token) return Found("credentials", token.error(), "the account may be gone or revoked: `seamount setup` again");
  return {.name = "credentials", .detail = (*source)->Describe() + " works"};
}

std::string ProbeKey() {
  std::random_device random;
  return ".seamount-doctor-" + std::to_string(random()) + std::to_string(random());
}

// What to do about a right that is missing; another error is no question of rights.
std::string AdviceOn(const Error& error, const std::string& if_refused) {
  switch (error.code()) {
    case ErrorCode::kPermissionDenied: return if_refused;
    case ErrorCode::kUnauthenticated: return "the account may be gone or revoked: make a new key with `seamount setup`";
    case ErrorCode::kNotFound: return "correct the name, or make the bucket with `seamount setup`";
    case ErrorCode::kUnavailable: return "try again; if it stays so, look at the server and the network";
    case ErrorCode::kResourceExhausted: return "make room on the server's disk, or delete objects";
    case ErrorCode::kDataLoss: return "the server's disk may be failing: save what it holds, and look at its log";
    default: return "run it again with -vv, which logs every request, and report it";
  }
}

Check Right(const std::string& name, const Error& error, Finding if_refused, const std::string& advice) {
  return {.name = name,
          .finding = error.code() == ErrorCode::kPermissionDenied ? if_refused : Finding::kFailure,
          .detail = error.message(),
          .advice = AdviceOn(error, advice)};
}

// Reads a byte of an object that is there.
Check CheckReading(Store& store, const std::string& key, const CallContext& context) {
  const auto read = store.Read(key, {.range = store::ByteRange{.offset = 0, .length = 1}}, context);
  if (read) return {.name = "reading", .detail = "an object can be read"};
  return Right("reading", read.error(), Finding::kFailure,
               "ask for storage.objects.get on the bucket (roles/storage.objectViewer)");
}

// With an object of its own, which it takes away again.
void CheckWriting(Store& store, const Hear& hear, const CallContext& context) {
  constexpr char kContent[] = "seamount doctor";
  const std::string key = ProbeKey(), without = "fine for reading only; otherwise ask for ";
  const auto source = store::BytesSource(std::string_view(kContent));
  const auto written = store.Write(key, source, {.if_generation = store::kAbsent}, context);
  if (!written) {
    hear(Right("creating", written.error(), Finding::kWarning,
               without + "storage.objects.create (roles/storage.objectUser)"));
    return;
  }
  hear({.name = "creating", .detail = "an object can be created"});
  const auto read = store.Read(key, {}, context);
  if (read && (!*read || (*read)->data.view() != kContent)) {
    hear(Found("reading", base::DataLoss("what was written reads back differently"), "report it"));
  } else if (read) {
    hear({.name = "reading", .detail = "it reads back the same"});
  } else {
    hear(CheckReading(store, key, context));
  }
  const std::string rights = "ask for storage.objects.delete (roles/storage.objectUser): ";
  const auto overwritten = store.Write(key, source, {}, context);
  if (overwritten) {
    hear({.name = "overwriting", .detail = "an object can be overwritten"});
  } else {
    hear(Right("overwriting", overwritten.error(), Finding::kWarning, rights + "a mount overwrites and renames"));
  }
  const auto deleted = store.Delete(key, {}, context);
  if (deleted) {
    hear({.name = "deleting", .detail = "an object can be deleted"});
  } else {
    hear(Right("deleting", deleted.error(), Finding::kWarning, rights + key + " is left in the bucket"));
  }
}

void CheckBucket(const StoreFlags& flags, const std::string& url, bool may_write, const Hear& hear,
                 const CallContext& context) {
  const auto store = OpenFromFlags(url, flags);
  if (!store) return hear(Found("bucket", store.error(), "correct the URL: gs://bucket[/prefix]"));
  const auto listed = (*store)->List({.max_results = 1}, context);
  if (!listed) {
    return hear(Right("listing", listed.error(), Finding::kFailure,
                      "ask for storage.objects.list on the bucket (roles/storage.objectViewer)"));
  }
  hear({.name = "listing", .detail = url + " can be listed"});
  if (may_write) return CheckWriting(**store, hear, context);
  if (!listed->objects.empty()) hear(CheckReading(**store, listed->objects.front().key, context));
}

}  // namespace

void CheckStorage(const StoreFlags& flags, const std::string& url, bool may_write, const Hear& hear,
                  const CallContext& context) {
  if (!flags.key.empty()) {
    const Check key = CheckKeyFile(flags.key);
    hear(key);
    if (key.finding == Finding::kFailure) return;
  }
  const std::string endpoint = stores::EndpointOf(ConfigFromFlags(flags));
  const auto http = std::shared_ptr<net::HttpClient>(net::MakeCurlHttpClient());
  CallContext soon = context;
  soon.deadline = std::min(context.deadline, std::chrono::steady_clock::now() + kAnswerWithin);
  const auto answered = http->Send({.url = endpoint + "/"}, soon);
  if (!answered) return hear(Found("endpoint", answered.error(), AdviceOnEndpoint(answered.error(), endpoint)));
  if (answered->status == 400 && answered->body.view().find("speaks TLS") != std::string_view::npos) {
    return hear(Found("endpoint", base::InvalidArgument(endpoint + " is the address of a port that speaks TLS"),
                      "write https:// in its address"));
  }
  hear({.name = "endpoint", .detail = endpoint + " answers"});
  hear(CheckClock(*answered));
  if (!flags.key.empty()) CheckKeyTimes(flags.key, *http, hear, soon);
  const Check credentials = CheckCredentials(flags, endpoint, *http, context);
  hear(credentials);
  if (url.empty() || credentials.finding == Finding::kFailure) return;
  CheckBucket(flags, url, may_write, hear, context);
  CheckExcess(flags, url, may_write, http, hear, context);
}

}  // namespace seamount::cli
