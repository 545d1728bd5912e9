// seamount keys: who has been given a key, and taking it back.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "auth/service_account_key.h"
#include "cli/admin_flags.h"
#include "cli/command.h"
#include "net/http_client.h"
#include "stores/move_key.h"

namespace seamount::cli {
namespace {

using gcs::AdminClient;

struct KeysOptions {
  stores::AdminOptions admin;
  std::vector<std::string> names;
  bool json = false;
};

Result<stores::Administrator> Administrator(const KeysOptions& options) {
  return stores::FindAdministrator(options.admin, net::MakeCurlHttpClient());
}

Result<int> List(const KeysOptions& options) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto administrator, Administrator(options));
  SEAMOUNT_TRY_ASSIGN(const auto accounts, administrator.client->ListAccounts(context));
  auto json = nlohmann::json::array();
  if (!options.json) std::printf("%-42s  %-20s  %s\n", "KEY", "MADE", "ACCOUNT");
  for (const AdminClient::AccountInfo& account : accounts) {
    SEAMOUNT_TRY_ASSIGN(const auto keys, administrator.client->ListKeys(account.email, context));
    const char* disabled = account.disabled ? " (disabled)" : "";
    auto ids = nlohmann::json::array();
    for (const AdminClient::KeyInfo& key : keys) {
      ids.push_back({{"id", key.id}, {"made", key.made}});
      if (!options.json) {
        std::printf("%-42s  %-20s  %s%s\n", key.id.c_str(), key.made.c_str(), account.email.c_str(), disabled);
      }
    }
    if (!options.json && keys.empty()) std::printf("%-42s  %-20s  %s%s\n", "-", "-", account.email.c_str(), disabled);
    json.push_back({{"account", account.email},
                    {"name", account.display_name},
                    {"disabled", account.disabled},
                    {"keys", std::move(ids)}});
  }
  if (options.json) std::puts(json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return kExitOk;
}

struct Named {
  std::string account, key;
};

// A key by its file, or by its id among all accounts'.
Result<Named> Find(AdminClient& client, const std::string& name, const CallContext& context) {
  if (access(name.c_str(), F_OK) == 0) {
    SEAMOUNT_TRY_ASSIGN(const auto key, auth::LoadServiceAccountKey(name));
    return Named{key.client_email, key.private_key_id};
  }
  SEAMOUNT_TRY_ASSIGN(const auto accounts, client.ListAccounts(context));
  for (const AdminClient::AccountInfo& account : accounts) {
    SEAMOUNT_TRY_ASSIGN(const auto keys, client.ListKeys(account.email, context));
    for (const AdminClient::KeyInfo& key : keys) {
      if (key.id == name) return Named{account.email, key.id};
    }
  }
  return base::NotFound("'" + name +
                        "' is neither a key file here nor the id of a key (`seamount keys ls` lists them)");
}

Result<int> Revoke(const KeysOptions& options) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto administrator, Administrator(options));
  for (const std::string& name : options.names) {
    SEAMOUNT_TRY_ASSIGN(const Named key, Find(*administrator.client, name, context));
    SEAMOUNT_TRY(administrator.client->DeleteKey(key.account, key.key, context));
    std::printf("key %s of %s is revoked\n", key.key.c_str(), key.account.c_str());
  }
  return kExitOk;
}

Result<int> Disable(const KeysOptions& options, bool disabled) {
  const CallContext context = Interruptible();
  SEAMOUNT_TRY_ASSIGN(const auto administrator, Administrator(options));
  for (const std::string& account : options.names) {
    SEAMOUNT_TRY(administrator.client->DisableAccount(account, disabled, context));
    std::printf("%s is %s\n", account.c_str(), disabled ? "disabled: none of its keys works" : "enabled");
  }
  return kExitOk;
}

Result<int> Move(const std::string& key_file, const std::string& to) {
  const auto http = net::MakeCurlHttpClient();
  SEAMOUNT_TRY(stores::MoveKey(key_file, to, *http, Interruptible()));
  std::printf("key file %s is for %s now, which takes it\n", key_file.c_str(), to.c_str());
  return kExitOk;
}

void AddMove(CLI::App& keys, Chosen& chosen) {
  CLI::App& command = AddCommand(keys, "move", "Tell a key file its server's new address, once that has taken the key",
                                 "seamount keys move winds-key.json --to https://lab.example.org:9000");
  struct Options {
    std::string key_file, to;
  };
  const auto options = std::make_shared<Options>();
  command.add_option("FILE", options->key_file, "The key file")->required();
  command.add_option("--to", options->to, "The server's address now")->type_name("URL")->required();
  OnChosen(command, chosen, [options] { return Move(options->key_file, options->to); });
}

using Call = Result<int> (*)(const KeysOptions&);

void Add(CLI::App& keys, Chosen& chosen, const char* name, const char* summary, const char* example,
         const char* positional, const char* what, Call call) {
  CLI::App& command = AddCommand(keys, name, summary, example);
  const auto options = std::make_shared<KeysOptions>();
  if (positional != nullptr) {
    command.add_option(positional, options->names, what)->required();
  } else {
    AddJsonFlag(command, options->json);
  }
  AddAdminFlags(command, options->admin);
  OnChosen(command, chosen, [options, call] { return call(*options); });
}

}  // namespace

void AddAdminFlags(CLI::App& command, stores::AdminOptions& options) {
  AddEndpointFlag(command, options.endpoint);
  command
      .add_option("--admin-key", options.admin_key_file, "Key of the administrator (default: what this machine has)")
      ->type_name("FILE");
  command.add_option("--project", options.project, "Cloud project (default: the administrator key's)")
      ->type_name("NAME");
}

void AddKeysCommand(CLI::App& app, Chosen& chosen) {
  CLI::App& keys = AddCommand(app, "keys", "List the keys that were given out, and take them back",
                              "seamount keys ls --admin-key lab/admin-key.json\n"
                              "seamount keys revoke guest-key.json --admin-key lab/admin-key.json\n"
                              "seamount keys move winds-key.json --to https://lab.example.org:9000");
  keys.require_subcommand(1);
  Add(keys, chosen, "ls", "List accounts and their keys", "seamount keys ls --admin-key lab/admin-key.json", nullptr,
      nullptr, List);
  Add(keys, chosen, "revoke", "Delete keys: from then on they are refused, and the tokens that were got with them",
      "seamount keys revoke guest-key.json --admin-key lab/admin-key.json", "KEY", "A key file, or a key's id", Revoke);
  AddMove(keys, chosen);
  Add(keys, chosen, "disable", "Refuse all keys of an account, until it is enabled again",
      "seamount keys disable sm-winds@seamount.iam.gserviceaccount.com --admin-key lab/admin-key.json", "ACCOUNT",
      "The account's email", [](const KeysOptions& options) { return Disable(options, true); });
  Add(keys, chosen, "enable", "Take an account's keys again",
      "seamount keys enable sm-winds@seamount.iam.gserviceaccount.com --admin-key lab/admin-key.json", "ACCOUNT",
      "The account's email", [](const KeysOptions& options) { return Disable(options, false); });
}

}  // namespace seamount::cli
