#include "cli/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace seamount::cli {
namespace {

constexpr size_t kNarrowest = 40, kWidest = 100, kColumn = 30;
constexpr size_t kTwoColumns = 80;  // narrower, what an option does stands below it

size_t Width() {
  size_t width = 0;
  if (const char* columns = std::getenv("COLUMNS")) width = std::strtoul(columns, nullptr, 10);
  winsize size = {};
  if (width == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  return width == 0 ? kWidest : std::clamp(width, kNarrowest, kWidest);
}

// Columns, not bytes: what continues a UTF-8 sequence takes none.
size_t ColumnsOf(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return Entry(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option));
  }
  // What stands for a value is in capitals, however the option is called in code.
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    return is_positional ? InCapitals(name) : name;
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_positional() ? "" : CLI::Formatter::make_option_opts(option);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return Entry(command->get_name(), command->get_description());
  }
  std::string make_description(const CLI::App* app) const override {
    return Wrap(app->get_description(), width_, "") + "\n";
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    while (usage.ends_with('\n')) usage.pop_back();
    return Wrap(usage, width_ - 4, "    ") + "\n";
  }
  // Lines that begin with a blank are commands.
  std::string make_footer(const CLI::App* app) const override {
    std::string all;
    for (const std::string& line : base::Split(app->get_footer(), '\n')) {
      all += line.starts_with(' ') ? "  " + Wrap(line.substr(2), width_ - 6, "      ", " \\") : Wrap(line, width_, "");
      all += '\n';
    }
    return all;
  }

 private:
  std::string Entry(const std::string& name, const std::string& what) const {
    const bool below = width_ < kTwoColumns;
    const std::string indent(below ? 6 : kColumn, ' ');
    std::string line = "  " + name;
    if (what.empty()) return line + "\n";
    if (below || ColumnsOf(line) + 2 > kColumn) {
      line = "  " + Wrap(name, width_ - 4, "    ") + "\n" + indent;
    } else {
      line.resize(kColumn, ' ');
    }
    return line + Wrap(what, width_ - indent.size(), indent) + "\n";
  }

  const size_t width_ = Width();
};

}  // namespace

std::string Wrap(std::string_view text, size_t width, const std::string& indent, const std::string& end) {
  std::string all;
  size_t used = 0;
  const size_t room = width - std::min(width - 1, ColumnsOf(end));
  for (const std::string& word : base::Split(text, ' ')) {
    if (word.empty()) continue;
    const size_t columns = ColumnsOf(word);
    if (used > 0 && used + 1 + columns > room) {
      all += end + "\n" + indent;
      used = 0;
    } else if (used > 0) {
      all += ' ';
      ++used;
    }
    all += word;
    used += columns;
  }
  return all;
}

std::string InCapitals(std::string name) {
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::shared_ptr<CLI::FormatterBase> MakeHelpFormatter() { return std::make_shared<HelpFormatter>(); }

}  // namespace seamount::cli
