// Errors are values. A function that can fail returns Result<T>; nothing throws across a module.
//
//   Result<Bytes> ReadHeader(...) {
//     SEAMOUNT_TRY_ASSIGN(auto bytes, store.Read(...));   // returns the error to our caller, or binds the value
//     SEAMOUNT_TRY(Check(bytes));
//     ...
//   }
//
// The spelling follows std::expected (C++23), which g++ 12 does not ship for C++20.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace seamount::base {

// Every code decides something: a caller retries, gives up, refreshes a token, or tells the user another thing.
enum class ErrorCode {
  kNotFound,            // the thing named does not exist, where its absence is an error
  kPreconditionFailed,  // generation mismatch, already exists, not empty: the world changed or is not as asked
  kPermissionDenied,    // identity known, right missing
  kUnauthenticated,     // identity missing, expired or revoked
  kUnavailable,         // transient: network, timeout, 408/429/5xx. The only code that retry() retries
  kResourceExhausted,   // disk full, quota, memory budget
  kInvalidArgument,     // the caller's or user's input is wrong; retrying cannot help
  kDataLoss,            // checksum mismatch, truncated or malformed stored data
  kCancelled,           // stop was requested
  kInternal,            // a bug, or a peer that breaks its protocol
};

std::string_view ErrorCodeName(ErrorCode code);

// What some errors say beyond their code, for a caller that acts on it.
enum class ErrorDetail {
  kNone,
  kNeverConnected,  // with kUnavailable: no connection came about (refused, unknown host, no answer), nothing was sent
  kNothingDone,     // with kUnavailable: the other side refused before it began (HTTP 429)
};

// Message style: "<what was being done> <object>: <what was wrong> (<expected>)", lower case, no full stop, no secrets.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message, ErrorDetail detail = ErrorDetail::kNone)
      : code_(code), detail_(detail), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  ErrorDetail detail() const { return detail_; }
  const std::string& message() const { return message_; }
  // Adds context on the way up: Wrap("reading gs://b/x") makes "reading gs://b/x: <message>". Code and detail stay.
  Error Wrap(std::string_view context) const;
  // "NotFound: message"
  std::string ToString() const;

 private:
  ErrorCode code_;
  ErrorDetail detail_;
  std::string message_;
};

// Tag type that makes an Expected hold its error.
template <class E>
struct Unexpected {
  E error;
};

// A value or an error. E is Error nearly everywhere; vfs uses its own errno-shaped type.
template <class T, class E>
class [[nodiscard]] Expected {
 public:
  using value_type = T;
  using error_type = E;

  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Expected(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  Expected(Unexpected<E> u) : state_(std::in_place_index<1>, std::move(u.error)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  E& error() & { return std::get<1>(state_); }
  const E& error() const& { return std::get<1>(state_); }
  E&& error() && { return std::get<1>(std::move(state_)); }
  T value_or(T fallback) const& { return has_value() ? **this : std::move(fallback); }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Expected<void, E> {
 public:
  using value_type = void;
  using error_type = E;

  Expected() = default;
  Expected(E error) : error_(std::move(error)) {}            // NOLINT(google-explicit-constructor)
  Expected(Unexpected<E> u) : error_(std::move(u.error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const {}
  void operator*() const {}
  E& error() & { return *error_; }
  const E& error() const& { return *error_; }
  E&& error() && { return *std::move(error_); }

 private:
  std::optional<E> error_;
};

template <class T>
using Result = Expected<T, Error>;

// Short makers, so that call sites read as sentences: return NotFound("bucket 'x' does not exist").
Error NotFound(std::string message);
Error PreconditionFailed(std::string message);
Error PermissionDenied(std::string message);
Error Unauthenticated(std::string message);
Error Unavailable(std::string message);
Error ResourceExhausted(std::string message);
Error InvalidArgument(std::string message);
Error DataLoss(std::string message);
Error Cancelled(std::string message);
Error Internal(std::string message);

}  // namespace seamount::base

namespace seamount {
using base::Error;
using base::ErrorCode;
using base::ErrorDetail;
using base::Result;
}  // namespace seamount

#define SEAMOUNT_CONCAT_(a, b) a##b
#define SEAMOUNT_CONCAT(a, b) SEAMOUNT_CONCAT_(a, b)

// Evaluates an Expected; on error returns it from the enclosing function.
#define SEAMOUNT_TRY(expr)                                                                    \
  do {                                                                                        \
    if (auto seamount_try_ = (expr); !seamount_try_) return std::move(seamount_try_).error(); \
  } while (false)

// SEAMOUNT_TRY_ASSIGN(auto x, Expression()): binds the value, or returns the error.
#define SEAMOUNT_TRY_ASSIGN(decl, expr) SEAMOUNT_TRY_ASSIGN_(SEAMOUNT_CONCAT(seamount_try_, __LINE__), decl, expr)
#define SEAMOUNT_TRY_ASSIGN_(tmp, decl, expr) \
  auto tmp = (expr);                          \
  if (!tmp) return std::move(tmp).error();    \
  decl = *std::move(tmp)
