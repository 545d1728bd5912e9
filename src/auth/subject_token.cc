#include "auth/subject_token.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "auth/executable.h"
#include "auth/token_response.h"
#include "base/fd.h"
#include "base/json_depth.h"
#include "net/url.h"

namespace seamount::auth {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxTokenBytes = 64 << 10;
constexpr std::chrono::milliseconds kShortestRun(5000), kUsualRun(30000), kLongestRun(120000);

// Where in a text the token is: the text itself, or a field of its JSON.
struct Format {
  std::string field;  // empty: the text
};

Result<Secret> TokenIn(const std::string& text, const Format& format, const std::string& where) {
  std::string token = text;
  if (!format.field.empty()) {
    const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
    const auto found = json.is_object() ? json.find(format.field) : json.end();
    if (!json.is_object() || found == json.end() || !found->is_string()) {
      return base::Unauthenticated(where + ": there is no text '" + format.field + "' in it (expected a JSON object)");
    }
    token = found->get<std::string>();
  }
  while (!token.empty() && std::strchr(" \t\r\n", token.back()) != nullptr) token.pop_back();
  if (token.empty()) return base::Unauthenticated(where + " is empty (expected a token)");
  return Secret(std::move(token));
}

Result<Format> FormatOf(const CredentialFields& source, const std::string& name) {
  if (!source.Has("format")) return Format{};
  SEAMOUNT_TRY_ASSIGN(const CredentialFields format, source.GetObject("format"));
  SEAMOUNT_TRY_ASSIGN(const std::string type, format.Get("type"));
  if (type == "text") return Format{};
  if (type != "json") return BadCredential(name, "field 'format.type' is '" + type + "' (expected text or json)");
  SEAMOUNT_TRY_ASSIGN(std::string field, format.Get("subject_token_field_name"));
  return Format{.field = std::move(field)};
}

class FileToken final : public SubjectTokenSource {
 public:
  FileToken(std::string path, Format format) : path_(std::move(path)), format_(std::move(format)) {}
  Result<Secret> Get(const CallContext&) override {
    const std::string where = "token file '" + path_ + "'";
    const base::Fd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!file || fstat(file.get(), &status) != 0) return base::Unauthenticated(where + ": " + std::strerror(errno));
    if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > kMaxTokenBytes) {
      return base::Unauthenticated(where + " is no file of at most 64 KiB");
    }
    std::string text(static_cast<size_t>(status.st_size), '\0');
    const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
    if (size < 0) return base::Unauthenticated(where + ": " + std::strerror(errno));
    text.resize(static_cast<size_t>(size));
    return TokenIn(text, format_, where);
  }

 private:
  const std::string path_;
  const Format format_;
};

class UrlToken final : public SubjectTokenSource {
 public:
  UrlToken(net::HttpRequest request, Format format, net::HttpClient& http)
      : request_(std::move(request)), format_(std::move(format)), http_(http) {}
  Result<Secret> Get(const CallContext& context) override {
    const std::string where = "what " + net::ParseUrl(request_.url)->Origin() + " answers for a token";
    SEAMOUNT_TRY_ASSIGN(const auto response, http_.Send(request_, context));
    if (response.status != 200) return base::Unauthenticated(where + " is HTTP " + std::to_string(response.status));
    return TokenIn(std::string(response.body.view()), format_, where);
  }

 private:
  const net::HttpRequest request_;
  const Format format_;
  net::HttpClient& http_;
};

class ProgramToken final : public SubjectTokenSource {
 public:
  ProgramToken(std::vector<std::string> argv, std::map<std::string, std::string> environment,
               std::chrono::milliseconds limit, base::Clock& clock)
      : argv_(std::move(argv)), environment_(std::move(environment)), limit_(limit), clock_(clock) {}

  Result<Secret> Get(const CallContext& context) override {
    SEAMOUNT_TRY_ASSIGN(const Secret output, OutputOf(argv_, environment_, limit_, context));
    return Read(output.Reveal());
  }

 private:
  Result<Secret> Read(const std::string& text) const {
    const std::string what = "program '" + argv_[0] + "'";
    const Json json = base::NestsDeeper(text) ? Json() : Json::parse(text, nullptr, false);
    if (!json.is_object() || json.value("version", Json()) != Json(1)) {
      return base::Unauthenticated(what + " printed no answer of version 1 (expected JSON)");
    }
    if (json.value("success", Json()) != Json(true)) {
      const Json code = json.value("code", Json()), message = json.value("message", Json());
      return base::Unauthenticated(what + " has no token: " + (code.is_string() ? code.get<std::string>() : "") + " " +
                                   (message.is_string() ? message.get<std::string>() : ""));
    }
    const Json expires = json.value("expiration_time", Json());
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.WallNow().time_since_epoch()).count();
    if (expires.is_number_integer() && expires.get<int64_t>() < now) {
      return base::Unauthenticated(what + " printed a token that has expired");
    }
    const bool saml = json.value("token_type", Json()) == Json("urn:ietf:params:oauth:token-type:saml2");
    return TokenIn(text, {.field = saml ? "saml_response" : "id_token"}, "what " + what + " printed");
  }

  const std::vector<std::string> argv_;
  const std::map<std::string, std::string> environment_;
  const std::chrono::milliseconds limit_;
  base::Clock& clock_;
};

Result<std::unique_ptr<SubjectTokenSource>> MakeProgramToken(const CredentialFields& program, const std::string& name,
                                                             const SubjectTokenWish& wish, base::Clock& clock) {
  const char* allowed = std::getenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES");
  if (allowed == nullptr || std::string_view(allowed) != "1") {
    return base::PermissionDenied("key file '" + name + "' wants a program to be run for its token: set " +
                                  "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1 if you trust it");
  }
  SEAMOUNT_TRY_ASSIGN(const std::string command, program.Get("command"));
  std::istringstream words(command);
  std::vector<std::string> argv;
  for (std::string word; words >> word;) argv.push_back(word);
  if (argv.empty()) return BadCredential(name, "field 'command' is empty");
  std::chrono::milliseconds limit = kUsualRun;
  if (const auto given = program.GetNumber("timeout_millis")) {
    limit = std::chrono::milliseconds(*given);
    if (limit < kShortestRun || limit > kLongestRun) {
      return BadCredential(name, "field 'timeout_millis' is not between 5000 and 120000");
    }
  }
  std::map<std::string, std::string> environment = {{"GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", wish.audience},
                                                    {"GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", wish.token_type},
                                                    {"GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0"}};
  if (!wish.impersonated_email.empty()) {
    environment["GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL"] = wish.impersonated_email;
  }
  return std::unique_ptr<SubjectTokenSource>(
      std::make_unique<ProgramToken>(std::move(argv), std::move(environment), limit, clock));
}

}  // namespace

Result<std::unique_ptr<SubjectTokenSource>> MakeSubjectTokenSource(const CredentialFields& source,
                                                                   const std::string& name,
                                                                   const SubjectTokenWish& wish, net::HttpClient& http,
                                                                   base::Clock& clock) {
  using Made = std::unique_ptr<SubjectTokenSource>;
  if (source.Has("executable")) {
    SEAMOUNT_TRY_ASSIGN(const CredentialFields program, source.GetObject("executable"));
    return MakeProgramToken(program, name, wish, clock);
  }
  if (source.Has("environment_id")) {
    return BadCredential(name,
                         "takes its token from AWS, which is not known here (expected file, url or executable in "
                         "field 'credential_source')");
  }
  SEAMOUNT_TRY_ASSIGN(Format format, FormatOf(source, name));
  if (source.Has("file")) {
    SEAMOUNT_TRY_ASSIGN(std::string path, source.Get("file"));
    return Made(std::make_unique<FileToken>(std::move(path), std::move(format)));
  }
  if (!source.Has("url")) {
    return BadCredential(name, "field 'credential_source' has none of file, url, executable");
  }
  SEAMOUNT_TRY_ASSIGN(std::string url, source.Get("url"));
  if (const auto parsed = net::ParseUrl(url); !parsed) {
    return BadCredential(name, "field 'credential_source.url': " + parsed.error().message());
  }
  net::HttpRequest request{.url = std::move(url), .max_response_bytes = kMaxTokenResponseBytes};
  if (source.Has("headers")) {
    SEAMOUNT_TRY_ASSIGN(const CredentialFields headers, source.GetObject("headers"));
    for (const std::string& header : headers.Names()) {
      SEAMOUNT_TRY_ASSIGN(std::string value, headers.Get(header));
      if (!net::IsOneLine(header)) return BadCredential(name, "a name in field 'headers' cannot be sent");
      request.headers.Add(header, std::move(value));
    }
  }
  return Made(std::make_unique<UrlToken>(std::move(request), std::move(format), http));
}

}  // namespace seamount::auth
