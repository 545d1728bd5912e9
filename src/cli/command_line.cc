#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "cli/help.h"

namespace seamount::cli {
namespace {

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

bool Contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool HasFlag(const CLI::App& app, const std::string& argument) {
  const bool letters = !argument.starts_with("--");  // "-vv"
  return app.get_option_no_throw(letters ? argument.substr(0, 2) : argument.substr(0, argument.find('='))) != nullptr;
}

// The command that parsing had come to when it failed, and its name: "vm up".
std::pair<const CLI::App*, std::string> ParsedCommand(const CLI::App& app) {
  std::string name = "seamount";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  return {at, name};
}

std::vector<std::string> FlagsOf(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::App* at = &command; at; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
    }
  }
  return flags;
}

// Of a flag that there is none of, the nearest that there is; of a stray word, that word.
std::string Stray(const CLI::App& command, const std::vector<std::string>& arguments, const std::string& what) {
  const std::vector<std::string> flags = FlagsOf(command);
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (flag == "--") break;
    if (!flag.starts_with("--") || Contains(flags, flag)) continue;
    const auto nearest = base::NearestName(flag, flags);
    return "there is no flag " + flag + (nearest ? ", did you mean " + *nearest + "?" : "");
  }
  const size_t colon = what.find(": ");
  return "not expected: " + (colon == std::string::npos ? what : what.substr(colon + 2));
}

std::string TypeOf(const CLI::Option& option) {
  static const std::map<std::string, std::string> words = {
      {"UINT", "a whole number"}, {"INT", "a whole number"}, {"FLOAT", "a number"}, {"TEXT", "a text"}};
  const auto word = words.find(option.get_type_name());
  return word == words.end() ? "a " + option.get_type_name() : word->second;
}

// The option that a message of CLI11's begins with, after `prefix`: "--port = 99999", "--key: 1 required …".
const CLI::Option* NamedIn(const CLI::App& command, const std::string& message, const std::string& prefix) {
  if (!message.starts_with(prefix)) return nullptr;
  const std::string rest = message.substr(prefix.size());
  const std::string name = rest.substr(0, rest.find_first_of(" :="));
  for (const CLI::App* at = &command; at; at = at->get_parent()) {
    if (const CLI::Option* option = at->get_option_no_throw(name)) return option;
  }
  return nullptr;
}

std::string Reworded(const CLI::App& command, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  std::string what = error.what();
  switch (static_cast<CLI::ExitCodes>(error.get_exit_code())) {
    case CLI::ExitCodes::ExtrasError: return Stray(command, arguments, what);
    case CLI::ExitCodes::ConversionError:
      if (const CLI::Option* option = NamedIn(command, what, "Could not convert: ")) {
        const size_t equals = what.find(" = ");
        const std::string value = equals == std::string::npos ? "" : what.substr(equals + 3);
        return option->get_name() + " '" + value + "': expected " + TypeOf(*option) + " that fits (" +
               option->get_description() + ")";
      }
      return what;
    case CLI::ExitCodes::ArgumentMismatch:
      if (const CLI::Option* option = NamedIn(command, what, "")) {
        return option->get_name() + " needs " + TypeOf(*option) + " (" + option->get_description() + ")";
      }
      return what;
    case CLI::ExitCodes::RequiredError: {  // "url is required"
      const size_t space = what.find(' ');
      return what.starts_with("--") || what[0] < 'a' ? what : InCapitals(what.substr(0, space)) + what.substr(space);
    }
    default: return what;
  }
}

}  // namespace

std::vector<std::string> WithFlagsBehindCommand(const CLI::App& app, std::vector<std::string> arguments) {
  const auto command = std::find_if(arguments.begin(), arguments.end(),
                                    [](const std::string& argument) { return !argument.starts_with('-'); });
  std::vector<std::string> moved, kept;
  for (auto at = arguments.begin(); at != command; ++at) (HasFlag(app, *at) ? kept : moved).push_back(*at);
  auto end = command;
  for (const CLI::App* at = &app; end != arguments.end() && Contains(CommandNames(*at), *end);) {
    at = at->get_subcommand(*end++);
  }
  if (moved.empty() || end == command) return arguments;
  std::vector<std::string> all = kept;
  all.insert(all.end(), command, end);
  all.insert(all.end(), moved.begin(), moved.end());
  all.insert(all.end(), end, arguments.end());
  return all;
}

std::string UnknownCommand(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* at = &app;
  for (const std::string& argument : arguments) {
    const std::vector<std::string> names = CommandNames(*at);
    if (names.empty() || argument == "--") return "";
    if (argument.starts_with('-')) continue;
    if (!Contains(names, argument)) return "unknown command '" + argument + "'" + base::NameHint(argument, names);
    at = at->get_subcommand(argument);
  }
  return "";
}

std::string Complaint(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  const auto [command, name] = ParsedCommand(app);
  return name + ": " + Reworded(*command, arguments, error) + " (" + name + " --help explains)";
}

}  // namespace seamount::cli
