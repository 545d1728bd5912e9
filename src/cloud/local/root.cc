#include "cloud/local/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/fd.h"
#include "base/os_error.h"

namespace seamount::cloud::local {
namespace {

namespace fs = std::filesystem;

// Of the host's root directory, what a machine's image has. /var is there as well, but empty.
constexpr std::array<std::string_view, 9> kSystem = {"bin",    "sbin", "lib", "lib32", "lib64",
                                                     "libx32", "usr",  "etc", "var"};
// Within those: raw data that a machine is to get from a bucket, sources, and what identifies the host.
constexpr std::array<const char*, 7> kHidden = {
    "usr/share/ferret-vis", "usr/src", "etc/shadow", "etc/gshadow", "etc/ssh", "etc/ssl/private", "etc/resolv.conf"};
// Fresh directories, empty whatever the host has there.
constexpr std::array<std::pair<const char*, mode_t>, 15> kFresh = {{{"var", 0755},
                                                                    {"var/tmp", 01777},
                                                                    {"var/cache", 0755},
                                                                    {"var/log", 0755},
                                                                    {"root", 0700},
                                                                    {"home", 0755},
                                                                    {"srv", 0755},
                                                                    {"tmp", 01777},
                                                                    {"run", 0755},
                                                                    {"mnt", 0755},
                                                                    {"opt", 0755},
                                                                    {"content", 0755},  // where hosted notebooks start
                                                                    {"proc", 0555},
                                                                    {"sys", 0555},
                                                                    {"dev", 0755}}};
constexpr std::array<const char*, 7> kDevices = {"null", "zero", "full", "random", "urandom", "tty", "fuse"};

Result<void> Mount(const char* source, const std::string& target, const char* type, unsigned long flags,
                   const std::string& options) {
  if (mount(source, target.c_str(), type, flags, options.c_str()) == 0) return {};
  return base::OsError(errno, std::string("mounting ") + (type ? type : source) + " on the machine's " + target);
}

Result<void> MakeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return base::OsError(errno, "making " + path);
  if (chmod(path.c_str(), mode) != 0) return base::OsError(errno, "setting the mode of " + path);  // past the umask
  return {};
}

// An overlay's way to say that a lower name is not there.
Result<void> Whiteout(const std::string& upper, const std::string& name) {
  std::error_code error;
  fs::create_directories(fs::path(upper + "/" + name).parent_path(), error);
  if (error) return base::OsError(error.value(), "making a directory for the whiteout of " + name);
  if (mknod((upper + "/" + name).c_str(), S_IFCHR, makedev(0, 0)) == 0) return {};
  return base::OsError(errno, "hiding " + name + " from the machine");
}

// The upper layer, before it is mounted. `.` is the host's root.
Result<void> FillUpper(const MachineSpec& spec, const std::string& upper) {
  for (const auto& [name, mode] : kFresh) {
    SEAMOUNT_TRY(MakeDirectory(upper + "/" + name, mode));
    if (setxattr((upper + "/" + name).c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0) {
      return base::OsError(errno,
                           std::string("making /") + name + " of the machine empty (does tmpfs keep trusted.* here?)");
    }
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(".", error)) {
    const std::string name = entry.path().filename();
    const bool fresh = std::any_of(kFresh.begin(), kFresh.end(), [&](const auto& f) { return name == f.first; });
    if (fresh || std::find(kSystem.begin(), kSystem.end(), name) != kSystem.end()) continue;
    SEAMOUNT_TRY(Whiteout(upper, name));
  }
  if (error) return base::OsError(error.value(), "listing the host's root directory");
  for (const char* name : kHidden) {
    if (fs::exists(fs::symlink_status(name, error))) SEAMOUNT_TRY(Whiteout(upper, name));
  }
  fs::create_directories(upper + "/etc", error);
  if (error) return base::OsError(error.value(), "making the machine's /etc");
  std::ofstream(upper + "/etc/hostname") << spec.name << '\n';
  std::ofstream(upper + "/etc/hosts") << "127.0.0.1 localhost " << spec.name << '\n';
  return {};
}

Result<void> Bind(const std::string& from, const std::string& to, bool read_only) {
  std::error_code error;
  const bool directory = fs::is_directory(from, error);
  if (!fs::exists(from, error)) return base::NotFound("share '" + from + "' does not exist");
  fs::create_directories(directory ? fs::path(to) : fs::path(to).parent_path(), error);
  if (error) return base::OsError(error.value(), "making " + to);
  if (!directory) std::ofstream(to, std::ios::app).flush();
  if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND | (directory ? MS_REC : 0), nullptr) != 0) {
    return base::OsError(errno, "sharing " + from);
  }
  if (!read_only) return {};
  // With all that is mounted below it, which a remount would leave out. The C library has a function for it only since
  // 2.36, newer than that of hosted notebooks.
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  if (syscall(SYS_mount_setattr, AT_FDCWD, to.c_str(), AT_RECURSIVE, &attributes, sizeof(attributes)) != 0) {
    return base::OsError(errno, "making the share " + from + " read-only");
  }
  return {};
}

Result<void> MountDevices(const MachineSpec& spec, const std::string& root) {
  const std::string dev = root + "/dev";
  SEAMOUNT_TRY(Mount("dev", dev, "tmpfs", MS_NOSUID, "mode=755,size=64k"));
  std::error_code error;
  for (const char* name : kDevices) {
    const std::string host = std::string("dev/") + name;
    if (!fs::exists(host, error)) continue;
    SEAMOUNT_TRY(Bind(host, root + "/" + host, /*read_only=*/false));
  }
  SEAMOUNT_TRY(MakeDirectory(dev + "/pts", 0755));
  SEAMOUNT_TRY(MakeDirectory(dev + "/shm", 01777));
  SEAMOUNT_TRY(Mount("devpts", dev + "/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"));
  SEAMOUNT_TRY(
      Mount("shm", dev + "/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=" + std::to_string(spec.disk_bytes)));
  for (const auto& [link, target] :
       {std::pair("ptmx", "pts/ptmx"), std::pair("fd", "/proc/self/fd"), std::pair("stdin", "/proc/self/fd/0"),
        std::pair("stdout", "/proc/self/fd/1"), std::pair("stderr", "/proc/self/fd/2")}) {
    if (symlink(target, (dev + "/" + link).c_str()) != 0)
      return base::OsError(errno, std::string("making /dev/") + link);
  }
  return {};
}

// From here on `.` is the host's root as the caller saw it, which in a chroot is not the namespace's root: pivot_root
// works on that one only, so the process first leaves the chroot, by entering its own mount namespace once more.
Result<void> LeaveChroot() {
  const base::Fd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const base::Fd ns(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (!root || !ns) return base::OsError(errno, "opening the host's root and its mount namespace");
  if (setns(ns.get(), CLONE_NEWNS) != 0) return base::OsError(errno, "entering the machine's mount namespace");
  if (fchdir(root.get()) != 0) return base::OsError(errno, "going to the host's root");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return base::OsError(errno, "making mounts private");
  return {};
}

Result<void> SwitchRoot(const std::string& root) {
  if (chdir(root.c_str()) != 0) return base::OsError(errno, "going to " + root);
  if (syscall(SYS_pivot_root, ".", ".") != 0)
    return base::OsError(errno, "making the machine's root its root (pivot_root)");
  if (umount2(".", MNT_DETACH) != 0) return base::OsError(errno, "letting go of the host's root");
  if (chroot(".") != 0 || chdir("/") != 0) return base::OsError(errno, "going to the machine's root");
  return {};
}

}  // namespace

Result<void> EnterNewRoot(const MachineSpec& spec, const std::string& staging) {
  SEAMOUNT_TRY(LeaveChroot());
  const std::string stage = staging.substr(1);  // relative to the host's root
  SEAMOUNT_TRY(Mount("machine", stage, "tmpfs", MS_NOSUID, "mode=700,size=" + std::to_string(spec.disk_bytes)));
  const std::string upper = stage + "/upper", root = stage + "/root";
  for (const std::string& directory : {upper, stage + "/work", root}) SEAMOUNT_TRY(MakeDirectory(directory, 0755));
  SEAMOUNT_TRY(FillUpper(spec, upper));
  const auto overlay =
      Mount("machine", root, "overlay", 0, "lowerdir=.,upperdir=" + upper + ",workdir=" + stage + "/work");
  if (!overlay) {
    return overlay.error().Wrap(
        "laying the machine's disk over this host's root (needs overlayfs: `modprobe overlay`; and a host root that is "
        "no overlay of overlays)");
  }
  SEAMOUNT_TRY(Mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
  SEAMOUNT_TRY(Mount("sysfs", root + "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
  // Settings of the kernel are the host's.
  SEAMOUNT_TRY(Bind(root + "/proc/sys", root + "/proc/sys", /*read_only=*/true));
  SEAMOUNT_TRY(MountDevices(spec, root));
  for (const Share& share : spec.shares) {
    SEAMOUNT_TRY(Bind(share.from.substr(share.from.starts_with('/') ? 1 : 0), root + share.to, /*read_only=*/true));
  }
  return SwitchRoot(root);
}

}  // namespace seamount::cloud::local
