#include "cli/manual.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

#include "base/text.h"
#include "cli/help.h"

namespace seamount::cli {
namespace {

// A line of text in roff: a hyphen that can be copied, no request at its beginning, no escape.
std::string Roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string ValueOf(const CLI::Option& option) {
  return option.get_type_size() == 0 || option.get_type_name().empty() ? "" : " " + option.get_type_name();
}

void AddOption(std::string& page, const CLI::Option& option, bool positional) {
  const std::string name = positional ? InCapitals(option.get_name(true, false)) : option.get_name() + ValueOf(option);
  page += ".TP\n.B " + Roff(name) + "\n" + Roff(option.get_description());
  if (!option.get_default_str().empty()) page += Roff(" (default: " + option.get_default_str() + ")");
  page += "\n";
}

void AddExamples(std::string& page, const CLI::App& command) {
  const std::vector<std::string> lines = base::Split(command.get_footer(), '\n');
  if (lines.size() < 2) return;
  page += ".PP\n" + Roff(lines.front()) + "\n.PP\n.nf\n";
  for (size_t i = 1; i < lines.size(); ++i) page += Roff(lines[i]) + "\n";
  page += ".fi\n";
}

std::string Usage(const CLI::App& command, std::string name) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::string many = option->get_expected_max() > 1 ? "..." : "";
    const std::string one = InCapitals(option->get_name(true, false)) + many;
    name += " " + (option->get_required() ? one : "[" + one + "]");
  }
  return name;
}

void AddCommandTo(std::string& page, const CLI::App& command, const std::string& name) {
  page += ".SS " + Roff(Usage(command, name)) + "\n" + Roff(command.get_description()) + ".\n";
  for (const bool positional : {true, false}) {
    for (const CLI::Option* option : command.get_options()) {
      const bool help = option == command.get_help_ptr();
      if (option->get_positional() == positional && !help) AddOption(page, *option, positional);
    }
  }
  AddExamples(page, command);
  for (const CLI::App* below : command.get_subcommands({})) AddCommandTo(page, *below, name + " " + below->get_name());
}

// Every command that has flags or commands below it, with its path: "", "/vm", "/vm/up".
void ForEach(const CLI::App& command, const std::string& path,
             const std::function<void(const CLI::App&, const std::string&)>& call) {
  call(command, path);
  for (const CLI::App* below : command.get_subcommands({})) ForEach(*below, path + "/" + below->get_name(), call);
}

std::vector<std::string> WordsOf(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* below : command.get_subcommands({})) words.push_back(below->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

std::string Bash(const CLI::App& app) {
  std::string paths, words;
  ForEach(app, "", [&](const CLI::App& command, const std::string& path) {
    if (!path.empty()) paths += (paths.empty() ? "" : "|") + path;
    words += "    '" + path + "') words='" + base::Join(WordsOf(command), " ") + "' ;;\n";
  });
  return "_seamount() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} path= words= i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$path/${COMP_WORDS[i]}\" in\n"
         "      " +
         paths +
         ") path=$path/${COMP_WORDS[i]} ;;\n"
         "    esac\n"
         "  done\n"
         "  case $path in\n" +
         words +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -o default -F _seamount seamount\n";
}

// Single quotes of fish: only these two need an escape.
std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "'";
}

// Where a command line stands is its path, as in Bash: `vm ls` is no `ls`.
std::string Fish(const CLI::App& app) {
  std::string paths, all;
  ForEach(app, "", [&](const CLI::App& command, const std::string& path) {
    if (!path.empty()) paths += " " + Quoted(path);
    const std::string begin = "complete -c seamount -n " + Quoted("__seamount_at " + Quoted(path));
    for (const CLI::App* below : command.get_subcommands({})) {
      all += begin + " -f -a " + below->get_name() + " -d " + Quoted(below->get_description()) + "\n";
    }
    for (const CLI::Option* option : command.get_options()) {
      const std::string value = option->get_type_size() == 0 ? "" : " -r";
      for (const std::string& name : option->get_lnames()) {
        all += begin + " -l " + name + value + " -d " + Quoted(option->get_description()) + "\n";
      }
    }
  });
  return "# Completion of seamount for fish: seamount completion fish | source\n"
         "function __seamount_at\n"
         "  set -l path ''\n"
         "  for word in (commandline -opc)[2..-1]\n"
         "    contains -- $path/$word" +
         paths +
         "; and set path $path/$word\n"
         "  end\n"
         "  test \"$path\" = \"$argv[1]\"\n"
         "end\n" +
         all;
}

std::string Zsh(const CLI::App& app) {
  return "# Completion of seamount for zsh: eval \"$(seamount completion zsh)\"\n"
         "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         Bash(app);
}

}  // namespace

std::string ManualPage(const CLI::App& app, const std::string& version) {
  std::string page = ".TH SEAMOUNT 1 \"\" \"seamount " + Roff(version) + "\"\n";
  page += ".SH NAME\nseamount \\- " + Roff(app.get_description()) + "\n";
  page += ".SH SYNOPSIS\n.B seamount\n[\\-v] COMMAND [OPTIONS]\n.SH OPTIONS\n";
  for (const CLI::Option* option : app.get_options()) AddOption(page, *option, false);
  page += ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands({})) {
    AddCommandTo(page, *command, "seamount " + command->get_name());
  }
  page += ".SH EXIT STATUS\n" + Roff(app.get_footer()) + "\n";
  page +=
      ".SH ENVIRONMENT\n"
      ".TP\n.B GOOGLE_APPLICATION_CREDENTIALS\nThe key file, where \\-\\-key names none.\n"
      ".TP\n.B STORAGE_EMULATOR_HOST\nThe storage server, where \\-\\-endpoint names none.\n"
      ".TP\n.B SEAMOUNT_LOG\nWhat is logged: debug, info, warning, error or off.\n";
  return page;
}

Result<std::string> CompletionScript(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return "# Completion of seamount for bash: eval \"$(seamount completion bash)\"\n" + Bash(app);
  if (shell == "zsh") return Zsh(app);
  if (shell == "fish") return Fish(app);
  return base::InvalidArgument("'" + shell + "': there is no completion for this shell (expected bash, zsh or fish)");
}

}  // namespace seamount::cli
