// Service accounts and their public keys. Held in memory whole: every request asks for its account.
#include <algorithm>
#include <utility>

#include "server/catalog.h"

namespace seamount::server {

Result<void> Catalog::LoadAccounts(Connection& connection) {
  {
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT email, project, unique_id, display_name, disabled, "
                                                        "is_admin, created FROM accounts"));
    while (true) {
      SEAMOUNT_TRY_ASSIGN(const bool found, query.Step());
      if (!found) break;
      auto row = std::make_shared<AccountRow>();
      row->email = query.Text(0);
      row->project = query.Text(1);
      row->unique_id = query.Text(2);
      row->display_name = query.Text(3);
      row->disabled = query.Integer(4) != 0;
      row->is_admin = query.Integer(5) != 0;
      row->created = query.Integer(6);
      std::string email = row->email;
      accounts_.emplace(std::move(email), std::move(row));
    }
  }
  SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("SELECT id, email, public_key, token_uri, created FROM keys"));
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool found, query.Step());
    if (!found) return {};
    const auto account = accounts_.find(query.Text(1));
    if (account == accounts_.end()) continue;
    auto changed = std::make_shared<AccountRow>(*account->second);
    changed->keys[query.Text(0)] = KeyRow{query.Text(0), query.Text(2), query.Text(3), query.Integer(4)};
    account->second = std::move(changed);
  }
}

std::shared_ptr<const AccountRow> Catalog::FindAccount(const std::string& email) const {
  std::shared_lock lock(maps_mutex_);
  const auto found = accounts_.find(email);
  return found == accounts_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const AccountRow>> Catalog::ListAccounts() const {
  std::vector<std::shared_ptr<const AccountRow>> all;
  {
    std::shared_lock lock(maps_mutex_);
    for (const auto& [email, account] : accounts_) all.push_back(account);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->email < b->email; });
  return all;
}

Result<std::shared_ptr<const AccountRow>> Catalog::InsertAccount(AccountRow account) {
  auto row = std::make_shared<AccountRow>(std::move(account));
  row->created = Now();
  const auto change = [&](Connection& connection) -> Result<void> {
    {
      SEAMOUNT_TRY_ASSIGN(Query exists, connection.Prepare("SELECT 1 FROM accounts WHERE email = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, exists.Bind(row->email).Step());
      if (found) return base::PreconditionFailed("service account " + row->email + " already exists");
    }
    SEAMOUNT_TRY_ASSIGN(Query query,
                        connection.Prepare("INSERT INTO accounts (email, project, unique_id, display_name, "
                                           "disabled, is_admin, created) VALUES (?,?,?,?,0,?,?)"));
    query.Bind(row->email).Bind(row->project).Bind(row->unique_id).Bind(row->display_name);
    return query.Bind(int64_t{row->is_admin}).Bind(row->created).Run();
  };
  SEAMOUNT_TRY(queue_->Commit(change, [&] {
    std::unique_lock lock(maps_mutex_);
    accounts_[row->email] = row;
  }));
  return std::shared_ptr<const AccountRow>(row);
}

// Nobody that is made under the email later goes on with its sessions, or has what policies grant it.
Result<void> Catalog::DeleteAccount(const std::string& email) {
  std::map<std::string, std::shared_ptr<const BucketRow>> changed;
  const auto change = [&](Connection& connection) -> Result<void> {
    std::string unique_id;
    {
      SEAMOUNT_TRY_ASSIGN(Query select, connection.Prepare("SELECT unique_id FROM accounts WHERE email = ?"));
      SEAMOUNT_TRY_ASSIGN(const bool found, select.Bind(email).Step());
      if (!found) return base::NotFound("service account " + email + " does not exist");
      unique_id = select.Text(0);
    }
    {
      SEAMOUNT_TRY_ASSIGN(Query sessions, connection.Prepare("SELECT id FROM uploads WHERE account = ?"));
      SEAMOUNT_TRY(EndUploads(connection, sessions.Bind(unique_id)));
    }
    SEAMOUNT_TRY_ASSIGN(changed, ForgetMember(connection, email, unique_id));
    SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM accounts WHERE email = ?"));
    return query.Bind(email).Run();
  };
  return Free(change, [&] {
    std::unique_lock lock(maps_mutex_);
    accounts_.erase(email);
    for (const auto& [name, bucket] : changed) buckets_[name] = bucket;
  });
}

// In every policy; the buckets that this changed, by name. Policies come from the table, not from memory: an earlier
// change of the same group is not in memory yet.
Result<std::map<std::string, std::shared_ptr<const BucketRow>>> Catalog::ForgetMember(Connection& connection,
                                                                                      const std::string& email,
                                                                                      const std::string& unique_id) {
  std::map<std::string, std::shared_ptr<const BucketRow>> changed;
  SEAMOUNT_TRY_ASSIGN(const auto buckets, ReadBuckets(connection));
  for (const auto& [name, bucket] : buckets) {
    bool names_it = false;
    for (Binding& binding : bucket->policy.bindings) {
      for (std::string& member : binding.members) {
        if (EmailOfMember(member) != email) continue;
        member = DeletedMember(email, unique_id);
        names_it = true;
      }
    }
    if (!names_it) continue;
    ++bucket->policy.version;
    ++bucket->metageneration;
    bucket->updated = Now();
    SEAMOUNT_TRY(WritePolicy(connection, *bucket));
    changed.emplace(name, bucket);
  }
  return changed;
}

// Runs `change` on the rows of an account that must exist, then `apply` on a copy of it, which takes its place.
Result<void> Catalog::ChangeAccount(const std::string& email, const CommitQueue::Change& change,
                                    const std::function<void(AccountRow&)>& apply) {
  const auto checked = [&](Connection& connection) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(Query exists, connection.Prepare("SELECT 1 FROM accounts WHERE email = ?"));
    SEAMOUNT_TRY_ASSIGN(const bool found, exists.Bind(email).Step());
    if (!found) return base::NotFound("service account " + email + " does not exist");
    return change(connection);
  };
  return queue_->Commit(checked, [&] {
    std::unique_lock lock(maps_mutex_);
    const auto found = accounts_.find(email);
    if (found == accounts_.end()) return;  // deleted later in the same group of changes
    auto changed = std::make_shared<AccountRow>(*found->second);
    apply(*changed);
    found->second = std::move(changed);
  });
}

Result<void> Catalog::SetAccountDisabled(const std::string& email, bool disabled) {
  return ChangeAccount(
      email,
      [&](Connection& connection) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("UPDATE accounts SET disabled = ? WHERE email = ?"));
        return query.Bind(int64_t{disabled}).Bind(email).Run();
      },
      [&](AccountRow& account) { account.disabled = disabled; });
}

Result<KeyRow> Catalog::InsertKey(const std::string& email, KeyRow key) {
  key.created = Now();
  SEAMOUNT_TRY(ChangeAccount(
      email,
      [&](Connection& connection) -> Result<void> {
        SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("INSERT INTO keys (id, email, public_key, token_uri, "
                                                            "created) VALUES (?,?,?,?,?)"));
        query.Bind(key.id).Bind(email).Bind(key.public_key_pem).Bind(key.token_uri);
        return query.Bind(key.created).Run();
      },
      [&](AccountRow& account) { account.keys[key.id] = key; }));
  return key;
}

Result<void> Catalog::DeleteKey(const std::string& email, const std::string& key_id) {
  return ChangeAccount(
      email,
      [&](Connection& connection) -> Result<void> {
        {
          SEAMOUNT_TRY_ASSIGN(Query exists, connection.Prepare("SELECT 1 FROM keys WHERE id = ? AND email = ?"));
          SEAMOUNT_TRY_ASSIGN(const bool found, exists.Bind(key_id).Bind(email).Step());
          if (!found) return base::NotFound("service account " + email + " has no key " + key_id);
        }
        SEAMOUNT_TRY_ASSIGN(Query query, connection.Prepare("DELETE FROM keys WHERE id = ?"));
        return query.Bind(key_id).Run();
      },
      [&](AccountRow& account) { account.keys.erase(key_id); });
}

}  // namespace seamount::server
