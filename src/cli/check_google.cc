// Checks of what an account may do beyond its purpose, and of where this machine lies.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "auth/credential_account.h"
#include "auth/credentials.h"
#include "auth/service_account_key.h"
#include "base/text.h"
#include "cli/checks.h"
#include "cloud/gce/placement.h"
#include "cost/prices.h"
#include "gcs/admin.h"
#include "gcs/admin_json.h"
#include "gcs/google.h"
#include "gcs/service_client.h"

namespace seamount::cli {
namespace {

using Json = nlohmann::json;

struct Account {
  std::string email;
  std::string project;  // empty: not known
};

// What whoever has a key of an account for data could do to the whole project.
struct ProjectRight {
  const char* permission;
  const char* verb;
};
constexpr std::array<ProjectRight, 5> kProjectRights = {{{"resourcemanager.projects.setIamPolicy", "say who may what"},
                                                         {"iam.serviceAccountKeys.create", "make keys of any account"},
                                                         {"iam.serviceAccounts.actAs", "act as any account"},
                                                         {"compute.instances.create", "start machines"},
                                                         {"storage.buckets.delete", "delete buckets"}}};

std::string InsteadOf(const Account& account, const std::string& bucket, const std::string& role) {
  return "make one that may less (`seamount setup gs://" + bucket + " --role " + role +
         " --key NEW.json`), use that, then take this one back (`seamount keys rm`, of " + account.email + ")";
}

void CheckExcessOnBucket(gcs::AdminClient& admin, const Account& account, const std::string& bucket, bool may_write,
                         const Hear& hear, const CallContext& context) {
  const auto rights = admin.RightsOn(bucket, context);
  if (!rights) return;  // told by the checks of the bucket
  constexpr gcs::Rights kReading = gcs::kMayRead | gcs::kMayList;
  const gcs::Rights excess = *rights & (may_write ? gcs::Rights{gcs::kMayAdminister} : ~kReading);
  Check check{.name = "rights there", .detail = account.email + " may " + gcs::Describe(*rights)};
  if (excess != 0) {
    check.finding = Finding::kWarning;
    check.detail += ", of which " + std::string(may_write ? "reading and writing" : "reading") +
                    " does not need: " + gcs::Describe(excess);
    check.advice = InsteadOf(account, bucket, may_write ? "writer" : "reader");
  }
  hear(check);
}

// Only where Google answers: a project whose Resource Manager is off tells nothing of itself.
void CheckExcessOnProject(const Account& account, std::shared_ptr<net::HttpClient> http,
                          std::shared_ptr<auth::RequestSigner> signer, const Hear& hear, const CallContext& context) {
  const auto client = gcs::ServiceClient::Make(gcs::GoogleService("cloudresourcemanager"), "", std::move(http),
                                               std::move(signer), base::RealClock());
  if (!client) return;
  Json asked = Json::array();
  for (const ProjectRight& right : kProjectRights) asked.push_back(right.permission);
  const std::string url = (*client)->UrlOf("/v1/projects/" + account.project + ":testIamPermissions", {});
  const auto answer = (*client)->Send(gcs::JsonRequest("POST", url, Json{{"permissions", asked}}.dump()), context);
  const std::string what = "rights on project '" + account.project + "'";
  if (!answer || answer->status != 200) {
    const std::string why = answer ? (*client)->ErrorOf(*answer, "asking").message() : answer.error().message();
    return hear({.name = "project", .detail = what + " are not told (" + why + ")"});
  }
  const auto told = gcs::ObjectOf(*answer, what);
  if (!told) return hear({.name = "project", .detail = told.error().message()});
  const Json granted = told->value("permissions", Json::array());
  std::vector<std::string> excess;
  for (const ProjectRight& right : kProjectRights) {
    if (std::find(granted.begin(), granted.end(), Json(right.permission)) != granted.end()) {
      excess.emplace_back(right.verb);
    }
  }
  if (excess.empty()) return hear({.name = "project", .detail = account.email + " has no " + what + " beyond data"});
  const std::string member = "serviceAccount:" + account.email;
  hear({.name = "project",
        .finding = Finding::kWarning,
        .detail = account.email + " may do more than data take, in all of project '" + account.project +
                  "': " + base::Join(excess, ", "),
        .advice = "find the role (`gcloud projects get-iam-policy " + account.project +
                  " --flatten=bindings[].members --filter=bindings.members:" + account.email +
                  "`) and take it away (`gcloud projects remove-iam-policy-binding " + account.project +
                  " --member=" + member + " --role=ROLE`)"});
}

// The metadata server's address; empty where this machine is none of Google's.
std::string MetadataHost() {
  if (const char* named = std::getenv("GCE_METADATA_HOST"); named != nullptr && *named != '\0') return named;
  std::ifstream file("/sys/class/dmi/id/product_name");
  std::string product;
  std::getline(file, product);
  return product == "Google Compute Engine" ? "metadata.google.internal" : "";
}

void CheckPlace(gcs::AdminClient& admin, const std::string& bucket, net::HttpClient& http, const Hear& hear,
                const CallContext& context) {
  const std::string host = MetadataHost();
  if (host.empty()) return;
  net::HttpRequest request{.url = "http://" + host + "/computeMetadata/v1/instance/zone"};
  request.headers.Add("Metadata-Flavor", "Google");
  const auto zone = http.Send(request, context);
  const auto location = admin.LocationOf(bucket, context);
  if (!zone || zone->status != 200) return hear({.name = "place", .detail = "the metadata server tells no zone"});
  if (!location) return hear({.name = "place", .detail = "where the bucket lies may not be read"});
  const std::string_view path = zone->body.view();
  const std::string region = cloud::gce::RegionOf(std::string(path.substr(path.find_last_of('/') + 1)));
  const auto price = cost::EgressPerGib(*location, region);
  Check check{.name = "place", .detail = "this machine is in " + region + ", the bucket in " + *location + ": "};
  if (!price) {
    check.detail += "what its traffic costs is not known";
  } else if (*price <= 0) {
    check.detail += "reading costs no traffic";
  } else {
    check.finding = Finding::kWarning;
    check.detail += "each GiB read costs $" + cost::DollarText(*price) + ", and comes from afar";
    std::string near = *location;
    std::transform(near.begin(), near.end(), near.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool is_region = cost::RegionFactor(near).has_value();
    check.advice = (is_region ? "start the machine there (`seamount vm up NAME --region " + near + "`), or " : "") +
                   "copy what is read often to a bucket here (`seamount setup gs://NEW --location " + region +
                   " --key NEW.json`, `seamount cp -r gs://" + bucket + " gs://NEW`)";
  }
  hear(check);
}

}  // namespace

void CheckExcess(const StoreFlags& flags, const std::string& url, bool may_write, std::shared_ptr<net::HttpClient> http,
                 const Hear& hear, const CallContext& context) {
  const auto parsed = stores::ParseStoreUrl(url);
  const std::string endpoint = stores::EndpointOf(ConfigFromFlags(flags));
  if (!parsed || parsed->scheme != "gs" || flags.anonymous) return;
  auto credentials = auth::FindCredentials({.key_file = flags.key, .endpoint = endpoint}, *http);
  if (!credentials) return;
  const auto signer = auth::MakeBearerSigner(*std::move(credentials));
  const auto admin = gcs::AdminClient::Make(endpoint, "", http, signer);
  if (!admin) return;
  // A person's login may what the person may; only of a key more than its purpose is too much.
  if (const auto owner = auth::AccountOfCredential(flags.key); !flags.key.empty() && owner) {
    Account account{.email = owner->email, .project = ""};
    if (const auto key = auth::LoadServiceAccountKey(flags.key)) account.project = key->project_id;
    CheckExcessOnBucket(**admin, account, parsed->bucket, may_write, hear, context);
    if (gcs::IsGoogle(endpoint) && owner->has_key && !account.project.empty()) {
      CheckExcessOnProject(account, http, signer, hear, context);
    }
  }
  if (gcs::IsGoogle(endpoint)) CheckPlace(**admin, parsed->bucket, *http, hear, context);
}

}  // namespace seamount::cli
