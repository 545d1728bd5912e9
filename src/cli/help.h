// How --help is laid out: for the width of the terminal ($COLUMNS, else its size, else 100), prose wrapped, examples
// broken where a shell lets them be.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace CLI {
class FormatterBase;
}

namespace seamount::cli {

std::shared_ptr<CLI::FormatterBase> MakeHelpFormatter();

// `text` in lines of at most `width` columns, not counting the `indent` before each but the first. Words longer than
// that stand alone. `end` is put at the end of each broken line: " \\" for commands.
std::string Wrap(std::string_view text, size_t width, const std::string& indent, const std::string& end = "");

// How the name of a positional argument is written everywhere: "url" is URL.
std::string InCapitals(std::string name);

}  // namespace seamount::cli
