#include "cloud/local/state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/os_error.h"

namespace seamount::cloud::local {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

int64_t ToSeconds(base::SystemTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// Locks of an open file description: a forked process holds on to them, and whether one is held can be asked without
// taking it.
struct flock WholeFile() {
  return {.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

// Whether it could be locked; somebody else holding it is no error.
Result<bool> TryLock(const base::Fd& file, const std::string& path) {
  struct flock whole = WholeFile();
  if (fcntl(file.get(), F_OFD_SETLK, &whole) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return base::OsError(errno, "locking " + path);
}

Result<base::Fd> OpenLock(const std::string& path) {
  base::Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return base::OsError(errno, "opening " + path);
  return lock;
}

}  // namespace

Result<StateDirectory> StateDirectory::Open(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return base::OsError(error.value(), "making " + path);
  if (chmod(path.c_str(), 0700) != 0) return base::OsError(errno, "setting the mode of " + path);
  return StateDirectory(path);
}

Result<base::Fd> StateDirectory::LockAll(const CallContext& context) const {
  constexpr std::chrono::milliseconds kPause(10);
  const std::string path = path_ + "/.lock";
  SEAMOUNT_TRY_ASSIGN(base::Fd lock, OpenLock(path));
  while (true) {
    SEAMOUNT_TRY_ASSIGN(const bool locked, TryLock(lock, path));
    if (locked) return lock;
    if (!base::RealClock().SleepFor(kPause, context.stop)) return base::Cancelled("waiting for another machine");
  }
}

Result<base::Fd> StateDirectory::Claim(const std::string& name) const {
  const std::string directory = path_ + "/" + name;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return base::OsError(errno, "making " + directory);
  SEAMOUNT_TRY_ASSIGN(base::Fd lock, OpenLock(directory + "/lock"));
  SEAMOUNT_TRY_ASSIGN(const bool locked, TryLock(lock, directory + "/lock"));
  if (!locked) return base::PreconditionFailed("machine '" + name + "' runs already");
  if (unlink((directory + "/state.json").c_str()) != 0 && errno != ENOENT)
    return base::OsError(errno, "clearing " + directory);
  return lock;
}

bool StateDirectory::IsAlive(const std::string& name) const {
  const base::Fd lock(open((path_ + "/" + name + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  struct flock whole = WholeFile();
  return lock && fcntl(lock.get(), F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

Result<MachineRecord> StateDirectory::Load(const std::string& name) const {
  MachineRecord record;
  record.info.name = name;
  record.info.state = IsAlive(name) ? MachineState::kRunning : MachineState::kDead;
  std::ifstream file(path_ + "/" + name + "/state.json");
  const json state = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object()) {
    if (record.info.state == MachineState::kRunning) record.info.state = MachineState::kStarting;
    return record;
  }
  const auto text = [&](const char* key) {
    const auto found = state.find(key);
    return found != state.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) {
    const auto found = state.find(key);
    return found != state.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
  };
  record.info.address = text("address");
  record.info.server = text("server");
  record.control_group = text("control_group");
  record.info.started = base::SystemTime(std::chrono::seconds(number("started")));
  record.info.ends = base::SystemTime(std::chrono::seconds(number("ends")));
  record.init_pid = static_cast<pid_t>(number("init_pid"));
  record.slot = static_cast<int>(number("slot"));
  return record;
}

Result<std::vector<MachineRecord>> StateDirectory::List() const {
  std::vector<MachineRecord> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename();
    if (!entry.is_directory(error) || !CheckMachineName(name)) continue;
    SEAMOUNT_TRY_ASSIGN(all.emplace_back(), Load(name));
  }
  if (error) return base::OsError(error.value(), "listing " + path_);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.info.name < b.info.name; });
  return all;
}

Result<MachineRecord> StateDirectory::Find(const std::string& name) const {
  struct stat status;
  if (stat((path_ + "/" + name).c_str(), &status) != 0) return base::NotFound("there is no machine '" + name + "'");
  return Load(name);
}

Result<void> StateDirectory::Save(const MachineRecord& record) const {
  const json state = {{"address", record.info.address},
                      {"server", record.info.server},
                      {"started", ToSeconds(record.info.started)},
                      {"ends", ToSeconds(record.info.ends)},
                      {"control_group", record.control_group},
                      {"init_pid", record.init_pid},
                      {"slot", record.slot}};
  const std::string path = path_ + "/" + record.info.name + "/state.json";
  {
    std::ofstream file(path + ".new", std::ios::trunc);
    file << state.dump(1) << '\n';
    file.close();
    if (!file) return base::OsError(errno, "writing " + path);
  }
  if (rename((path + ".new").c_str(), path.c_str()) != 0) return base::OsError(errno, "writing " + path);
  return {};
}

Result<void> StateDirectory::Remove(const std::string& name) const {
  std::error_code error;
  fs::remove_all(path_ + "/" + name, error);
  if (error) return base::OsError(error.value(), "removing " + path_ + "/" + name);
  return {};
}

}  // namespace seamount::cloud::local
