#include "cloud/local/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace seamount::cloud::local {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

int64_t ToSeconds(base::SystemTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

Result<StateDirectory> StateDirectory::Open(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return SystemError("making " + path, error.value());
  if (chmod(path.c_str(), 0700) != 0) return SystemError("setting the mode of " + path);
  return StateDirectory(path);
}

Result<Fd> StateDirectory::LockAll() const {
  Fd lock(open((path_ + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return SystemError("opening " + path_ + "/.lock");
  while (flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return SystemError("locking " + path_);
  }
  return lock;
}

Result<Fd> StateDirectory::Claim(const std::string& name) const {
  const std::string directory = path_ + "/" + name;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return SystemError("making " + directory);
  Fd lock(open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return SystemError("opening " + directory + "/lock");
  // A live machine holds it for good; somebody who only looks (IsAlive), for a moment.
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return SystemError("locking " + directory + "/lock");
    base::RealClock().SleepFor(std::chrono::milliseconds(10), {});
  }
  return base::PreconditionFailed("machine '" + name + "' runs already");
}

bool StateDirectory::IsAlive(const std::string& name) const {
  const Fd lock(open((path_ + "/" + name + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  return lock && flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<MachineRecord> StateDirectory::Load(const std::string& name) const {
  MachineRecord record;
  record.info.name = name;
  record.info.state = IsAlive(name) ? MachineState::kRunning : MachineState::kDead;
  std::ifstream file(path_ + "/" + name + "/state.json");
  const json state = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object()) {  // it died before it was ready
    record.info.state = MachineState::kDead;
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
  record.info.started = base::SystemTime(std::chrono::seconds(number("started")));
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
  if (error) return SystemError("listing " + path_, error.value());
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
                      {"init_pid", record.init_pid},
                      {"slot", record.slot}};
  const std::string path = path_ + "/" + record.info.name + "/state.json";
  {
    std::ofstream file(path + ".new", std::ios::trunc);
    file << state.dump(1) << '\n';
    file.close();
    if (!file) return SystemError("writing " + path);
  }
  if (rename((path + ".new").c_str(), path.c_str()) != 0) return SystemError("writing " + path);
  return {};
}

Result<void> StateDirectory::Remove(const std::string& name) const {
  std::error_code error;
  fs::remove_all(path_ + "/" + name, error);
  if (error) return SystemError("removing " + path_ + "/" + name, error.value());
  return {};
}

}  // namespace seamount::cloud::local
