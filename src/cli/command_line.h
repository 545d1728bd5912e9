// What a person typed, before and after CLI11 has looked at it: our words for what is wrong.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace seamount::cli {

// Puts flags that stand before a command but belong to it (`seamount --json vm ls`) behind it.
std::vector<std::string> WithFlagsBehindCommand(const CLI::App& app, std::vector<std::string> arguments);

// CLI11 reports an unknown command as a stray argument; we can do better. Empty when all commands named are known.
std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments);

// "seamount vm up: --disk needs a SIZE (seamount vm up --help explains)".
std::string Complaint(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error);

}  // namespace seamount::cli
