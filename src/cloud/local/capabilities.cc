#include "cloud/local/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <initializer_list>

namespace seamount::cloud::local {

void DropCapabilities() {
  for (const int capability :
       {CAP_MKNOD, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME, CAP_SYS_BOOT, CAP_MAC_ADMIN, CAP_MAC_OVERRIDE}) {
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // EINVAL where the kernel does not know it
  }
}

}  // namespace seamount::cloud::local
