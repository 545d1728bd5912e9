#include "source/grib/answers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "source/child/wire.h"
#include "source/grib/index.h"
#include "source/grib/library.h"

namespace seamount::source::grib {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{1} << 30;
constexpr size_t kMaxFields = 10'000;  // of one message

// A message that is open in ecCodes.
class Handle {
 public:
  Handle(const Library& library, grib_handle* handle) : library_(library), handle_(handle, library.free_handle) {}
  explicit operator bool() const { return handle_ != nullptr; }

  std::string Text(const char* key) const {
    std::array<char, 1024> text{};
    size_t bytes = text.size();
    if (library_.get_string(handle_.get(), key, text.data(), &bytes) != 0) return {};
    std::string found(text.data(), strnlen(text.data(), text.size()));
    return found == "unknown" || found == "undef" ? std::string() : found;
  }
  int64_t Long(const char* key, int64_t otherwise) const {
    long value = 0;
    return library_.get_long(handle_.get(), key, &value) == 0 ? value : otherwise;
  }
  double Double(const char* key, double otherwise) const {
    double value = 0;
    return library_.get_double(handle_.get(), key, &value) == 0 ? value : otherwise;
  }
  Result<std::vector<double>> Doubles(const char* key) const {
    size_t count = 0;
    int code = library_.get_size(handle_.get(), key, &count);
    if (code == 0 && count > kMaxMessageBytes / sizeof(float)) return base::DataLoss("a field is impossibly large");
    std::vector<double> values(code == 0 ? count : 0);
    if (code == 0) code = library_.get_doubles(handle_.get(), key, values.data(), &count);
    if (code != 0) return base::DataLoss(std::string("its ") + key + ": " + library_.error_message(code));
    values.resize(count);
    return values;
  }
  void Set(const char* key, double value) const { library_.set_double(handle_.get(), key, value); }

 private:
  const Library& library_;
  std::unique_ptr<grib_handle, int (*)(grib_handle*)> handle_;
};

// Calls with each field of the message and its number.
Result<void> ForFields(std::span<std::byte> message, const std::function<Result<void>(const Handle&, uint32_t)>& each) {
  SEAMOUNT_TRY_ASSIGN(const Library* library, EcCodes());
  library->multi_support_on(nullptr);
  void* rest = message.data();
  size_t bytes = message.size();
  Result<void> outcome;
  // To the end also after an error: ecCodes remembers a message that was not finished.
  for (uint32_t number = 1; number <= kMaxFields; ++number) {
    int code = 0;
    const Handle field(*library, library->from_multi_message(nullptr, &rest, &bytes, &code));
    if (!field) {
      if (number == 1) return base::DataLoss(std::string("no message: ") + library->error_message(code));
      return outcome;
    }
    if (outcome) outcome = each(field, number);
  }
  return base::DataLoss("a message has too many fields");
}

Result<void> ForField(std::span<std::byte> message, uint32_t number,
                      const std::function<Result<void>(const Handle&)>& use) {
  if (number == 0) {
    SEAMOUNT_TRY_ASSIGN(const Library* library, EcCodes());
    const Handle field(*library, library->from_message(nullptr, message.data(), message.size()));
    if (!field) return base::DataLoss("ecCodes does not take it");
    return use(field);
  }
  return ForFields(message,
                   [&](const Handle& field, uint32_t at) { return at == number ? use(field) : Result<void>(); });
}

// How long a unit of step is (code table 4.4, and ecCodes' own codes for seconds and quarters of an hour).
std::optional<double> HoursOfStepUnit(int64_t unit) {
  switch (unit) {
    case 0: return 1.0 / 60;
    case 1: return 1;
    case 2: return 24;
    case 10: return 3;
    case 11: return 6;
    case 12: return 12;
    case 13:
    case 254: return 1.0 / 3600;
    case 14: return 0.25;
    case 15: return 0.5;
    default: return std::nullopt;  // months and longer are no fixed time
  }
}

Result<int64_t> TimeOf(const Handle& handle) {
  const int64_t date = handle.Long("dataDate", -1);
  const int64_t clock = handle.Long("dataTime", -1);
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(date / 10'000)),
                                        std::chrono::month(static_cast<unsigned>(date / 100 % 100)),
                                        std::chrono::day(static_cast<unsigned>(date % 100)));
  if (date < 0 || date > 99'991'231 || !day.ok() || clock < 0 || clock >= 2400 || clock % 100 >= 60) {
    return base::DataLoss("its reference time is no time: dataDate " + std::to_string(date) + ", dataTime " +
                          std::to_string(clock));
  }
  const auto days = std::chrono::sys_days(day).time_since_epoch();
  return int64_t{days.count()} * 86'400 + clock / 100 * 3600 + clock % 100 * 60;
}

// What ecCodes has no name for goes by its numbers.
std::string NumbersOf(const Handle& handle) {
  if (handle.Long("edition", 2) == 1) {
    return "param_" + std::to_string(handle.Long("table2Version", 0)) + "_" +
           std::to_string(handle.Long("indicatorOfParameter", 0));
  }
  return "param_" + std::to_string(handle.Long("discipline", 0)) + "_" +
         std::to_string(handle.Long("parameterCategory", 0)) + "_" + std::to_string(handle.Long("parameterNumber", 0));
}

Result<Field> FieldOf(const Handle& handle) {
  Field field;
  field.short_name = handle.Text("shortName");
  field.name = handle.Text("cfVarName");
  if (field.name.empty()) field.name = field.short_name.empty() ? NumbersOf(handle) : field.short_name;
  field.long_name = handle.Text("name");
  field.standard_name = handle.Text("cfName");
  field.units = handle.Text("units");
  field.level_type = handle.Text("typeOfLevel");
  field.step_type = handle.Text("stepType");
  field.centre = handle.Text("centre");
  field.grid = handle.Text("md5GridSection");
  if (field.grid.empty()) return base::DataLoss("it has no grid");
  field.edition = handle.Long("edition", 0);
  field.param_id = handle.Long("paramId", 0);
  field.level = handle.Double("level", 0);
  field.member = handle.Long("number", -1);
  SEAMOUNT_TRY_ASSIGN(field.time, TimeOf(handle));
  const int64_t unit = handle.Long("stepUnits", 1);
  const auto hours = HoursOfStepUnit(unit);
  const auto step = static_cast<double>(handle.Long("endStep", 0));
  if (!hours && step != 0) {
    return base::InvalidArgument("its step is counted in a unit that is no fixed time (stepUnits " +
                                 std::to_string(unit) + ")");
  }
  field.step_hours = step * hours.value_or(1);
  return field;
}

Result<Grid> GridOf(const Handle& handle) {
  Grid grid{.id = handle.Text("md5GridSection"), .type = handle.Text("gridType")};
  grid.columns_first = handle.Long("jPointsAreConsecutive", 0) != 0;
  if (grid.type == "sh") {
    grid.dimensions = {"values"};
    grid.shape = {1};
    grid.unreadable = "it has spherical harmonics: make a grid of it first (cdo -sp2gpl, or MARS with grid=)";
    return grid;
  }
  if (grid.type == "regular_ll" || grid.type == "regular_gg") {
    SEAMOUNT_TRY_ASSIGN(grid.latitudes, handle.Doubles("distinctLatitudes"));
    SEAMOUNT_TRY_ASSIGN(grid.longitudes, handle.Doubles("distinctLongitudes"));
    // In the order of the values, which need not be that of the key.
    const auto turn = [](std::vector<double>& axis, bool rises) {
      if (axis.size() > 1 && (axis.front() < axis.back()) != rises) std::reverse(axis.begin(), axis.end());
    };
    turn(grid.latitudes, handle.Long("jScansPositively", 0) != 0);
    if (handle.Long("iScansNegatively", 0) != 0) std::reverse(grid.longitudes.begin(), grid.longitudes.end());
    grid.dimensions = {"latitude", "longitude"};
    grid.shape = {grid.latitudes.size(), grid.longitudes.size()};
  } else {
    // ecCodes does not know where the points of every grid are.
    auto latitudes = handle.Doubles("latitudes");
    auto longitudes = handle.Doubles("longitudes");
    if (latitudes && longitudes && latitudes->size() == longitudes->size()) {
      grid.latitudes = *std::move(latitudes);
      grid.longitudes = *std::move(longitudes);
    }
    const auto points = grid.latitudes.empty() ? static_cast<uint64_t>(handle.Long("numberOfDataPoints", 0))
                                               : uint64_t{grid.latitudes.size()};
    const auto rows = static_cast<uint64_t>(handle.Long("Ny", 0));
    const auto columns = static_cast<uint64_t>(handle.Long("Nx", 0));
    const bool plane = grid.type.rfind("reduced", 0) != 0 && grid.type.rfind("unstructured", 0) != 0 && rows > 0 &&
                       columns > 0 && rows <= points && columns <= points && rows * columns == points;
    grid.dimensions = plane ? std::vector<std::string>{"y", "x"} : std::vector<std::string>{"values"};
    grid.shape = plane ? nd::Index{rows, columns} : nd::Index{points};
  }
  if (handle.Long("alternativeRowScanning", 0) != 0) {
    grid.unreadable =
        "its rows run to and fro (alternativeRowScanning): turn them first (grib_set -w "
        "swapScanningAlternativeRows=1, or cdo -copy)";
  } else if (grid.columns_first && grid.shape.size() == 2 && grid.dimensions.front() != "latitude") {
    grid.unreadable = "its columns come one after the other on a grid with two coordinates (jPointsAreConsecutive)";
  }
  return grid;
}

Result<std::vector<std::byte>> FieldsOf(WireReader& in) {
  const auto bytes = in.Get<uint64_t>();
  if (bytes > kMaxMessageBytes) return base::DataLoss("a message is impossibly large");
  // What is not a header is of no interest, and nothing.
  std::vector<std::byte> message(bytes);
  const auto pieces = in.Get<uint64_t>();
  for (uint64_t i = 0; i < pieces && in.good(); ++i) {
    const auto at = in.Get<uint64_t>();
    const auto piece = in.Bytes();
    if (at > bytes || piece.size() > bytes - at) return base::Internal("a malformed request");
    std::copy(piece.begin(), piece.end(), message.begin() + static_cast<ptrdiff_t>(at));
  }
  if (!in.whole() || bytes < 4) return base::Internal("a malformed request");
  std::memset(message.data() + bytes - 4, '7', 4);
  std::vector<Field> fields;
  SEAMOUNT_TRY(ForFields(message, [&](const Handle& handle, uint32_t number) -> Result<void> {
    SEAMOUNT_TRY_ASSIGN(Field field, FieldOf(handle));
    field.number_in_message = number;
    fields.push_back(std::move(field));
    return {};
  }));
  if (fields.size() == 1) fields.front().number_in_message = 0;
  return Serialize(fields);
}

Result<std::vector<std::byte>> ValuesOf(const Handle& handle) {
  constexpr double kMissing = 9.969209968386869e36;
  handle.Set("missingValue", kMissing);
  SEAMOUNT_TRY_ASSIGN(const std::vector<double> values, handle.Doubles("values"));
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = values[i] == kMissing ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(values[i]);
    std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
  }
  return bytes;
}

}  // namespace

Result<std::vector<std::byte>> Answer(std::span<const std::byte> request, const Fetch& /*fetch*/) {
  WireReader in(request);
  const auto kind = in.GetEnum(RequestKind::kValues);
  if (kind == RequestKind::kFields) return FieldsOf(in);
  const auto number = in.Get<uint32_t>();
  const auto bytes = in.Bytes();
  if (!in.whole()) return base::Internal("a malformed request");
  std::vector<std::byte> message(bytes.begin(), bytes.end());
  std::vector<std::byte> answer;
  SEAMOUNT_TRY(ForField(message, number, [&](const Handle& handle) -> Result<void> {
    if (kind == RequestKind::kGrid) {
      SEAMOUNT_TRY_ASSIGN(const Grid grid, GridOf(handle));
      answer = Serialize(grid);
    } else {
      SEAMOUNT_TRY_ASSIGN(answer, ValuesOf(handle));
    }
    return {};
  }));
  return answer;
}

}  // namespace seamount::source::grib
