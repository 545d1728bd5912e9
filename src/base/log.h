// One process-wide log to stderr, in leveled lines. Callers pass finished text; spdlog stays in log.cc.
// Libraries return errors and do not log them; what is logged is what nobody can be told by a return value:
// retries, evictions, a server's requests. Never pass a token, key or signed URL.
#pragma once

#include <string_view>

namespace seamount::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

void SetLogLevel(LogLevel level);  // default kWarning; SEAMOUNT_LOG=debug|info|warning|error|off overrides
bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view message);

}  // namespace seamount::base
