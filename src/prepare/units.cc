#include "prepare/units.h"

#include <cmath>
#include <cstdarg>
#include <mutex>

#include "base/shared_library.h"

namespace seamount::prepare {
namespace {

// What is used of udunits2.h; the types are opaque there too.
struct Udunits {
  void* (*read_xml)(const char* path) = nullptr;
  void* (*parse)(const void* system, const char* text, int encoding) = nullptr;
  void* (*get_converter)(void* from, void* to) = nullptr;
  double (*convert)(const void* converter, double value) = nullptr;
  void (*free_converter)(void* converter) = nullptr;
  void (*free_unit)(void* unit) = nullptr;
  void* system = nullptr;
};

constexpr int kUtf8 = 2;  // UT_UTF8

const Udunits* Loaded() {
  static const Udunits* const loaded = []() -> const Udunits* {
    auto library = base::SharedLibrary::Load({"libudunits2.so.0"}, "");
    if (!library) return nullptr;
    static Udunits units;
    using Handler = int (*)(const char*, va_list);
    Handler (*set_handler)(Handler) = nullptr;
    library->Find(units.read_xml, "ut_read_xml");
    library->Find(units.parse, "ut_parse");
    library->Find(units.get_converter, "ut_get_converter");
    library->Find(units.convert, "cv_convert_double");
    library->Find(units.free_converter, "cv_free");
    library->Find(units.free_unit, "ut_free");
    library->Find(set_handler, "ut_set_error_message_handler");
    if (library->missing() != nullptr) return nullptr;
    set_handler([](const char*, va_list) { return 0; });  // it writes to stderr otherwise
    units.system = units.read_xml(nullptr);
    return units.system == nullptr ? nullptr : &units;
  }();
  return loaded;
}

}  // namespace

Result<Conversion> FindConversion(const std::string& from, const std::string& to) {
  static std::mutex mutex;  // the library is not made for threads
  const std::lock_guard lock(mutex);
  const Udunits* units = Loaded();
  if (units == nullptr) {
    return base::Unavailable("converting '" + from + "' to '" + to +
                             "' needs UDUNITS-2: install libudunits2-0 (Debian, Ubuntu), or write the step "
                             "'scale: {factor: …, offset: …}' instead");
  }
  void* a = units->parse(units->system, from.c_str(), kUtf8);
  void* b = units->parse(units->system, to.c_str(), kUtf8);
  void* converter = a != nullptr && b != nullptr ? units->get_converter(a, b) : nullptr;
  Result<Conversion> out =
      base::InvalidArgument("'" + from + "' cannot be converted to '" + to + "': they measure different things");
  if (a == nullptr || b == nullptr) {
    out = base::InvalidArgument("'" + (a == nullptr ? from : to) + "' is no unit that UDUNITS knows");
  } else if (converter != nullptr) {
    const double offset = units->convert(converter, 0);
    const double factor = units->convert(converter, 1) - offset;
    const double far = units->convert(converter, 1000);
    const bool linear = std::abs(far - (1000 * factor + offset)) <= 1e-9 * std::abs(far);  // no decibels
    if (linear) {
      out = Conversion{factor, offset};
    } else {
      out = base::InvalidArgument("'" + from + "' to '" + to + "' is no factor and offset: use 'derive'");
    }
  }
  if (converter != nullptr) units->free_converter(converter);
  if (a != nullptr) units->free_unit(a);
  if (b != nullptr) units->free_unit(b);
  return out;
}

}  // namespace seamount::prepare
