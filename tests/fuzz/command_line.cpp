// Any octets as a command line: what is found points into the line, and says the same when it is
// said again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "smtp/command.hpp"
#include "smtp/path.hpp"

using namespace gatepost::smtp;

namespace {

void check_within(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  GP_CHECK(part.data() >= whole.data());
  GP_CHECK(part.data() + part.size() <= whole.data() + whole.size());
}

void check_greeting(std::string_view argument) {
  const GreetingArgument greeting = parse_greeting(argument);
  if (!greeting.valid) return;
  check_within(greeting.name, argument);
  GP_CHECK(!greeting.name.empty() && greeting.name.size() <= gatepost::bounds::domain_length_max);
  // This goes into the Received field as it is (R5321-4.4-22).
  for (char c : greeting.name)
    GP_CHECK(c > ' ' && c < '\x7f' &&
             std::string_view("()<>\"\\;,@").find(c) == std::string_view::npos);
  const GreetingArgument again = parse_greeting(greeting.name);
  GP_CHECK(again.valid && again.name == greeting.name);
}

void check_bdat(std::string_view argument) {
  const BdatArgument bdat = parse_bdat_argument(argument);
  if (!bdat.valid) return;
  GP_CHECK(bdat.size <= INT64_MAX);
  const std::string again = std::to_string(bdat.size) + (bdat.last ? " LAST" : "");
  const BdatArgument parsed = parse_bdat_argument(again);
  GP_CHECK(parsed.valid && parsed.size == bdat.size && parsed.last == bdat.last);
}

void check_parameters(std::string_view parameters) {
  const std::string_view whole = parameters;
  Parameter parameter;
  std::string again;
  std::size_t count = 0;
  for (;;) {
    const std::size_t before = parameters.size();
    const ParameterResult result = next_parameter(parameters, parameter);
    if (result == ParameterResult::syntax_error) return;
    if (result == ParameterResult::end) break;
    GP_CHECK(parameters.size() < before);
    check_within(parameter.keyword, whole);
    check_within(parameter.value, whole);
    GP_CHECK(!parameter.keyword.empty() && parameter.has_value == !parameter.value.empty());
    again += " " + std::string(parameter.keyword);
    if (parameter.has_value) again += "=" + std::string(parameter.value);
    std::uint64_t size = 0;
    if (parse_size_value(parameter.value, size)) GP_CHECK(parameter.value.size() <= 20);
    ++count;
  }
  std::string_view rest = again;
  while (next_parameter(rest, parameter) == ParameterResult::parameter) --count;
  GP_CHECK(count == 0 && rest.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const Command command = parse_command(line);
  check_within(command.argument, line);
  GP_CHECK(!verb_name(command.verb).empty());
  const bool speaks_smtp = command.verb < Verb::http_request;
  if (speaks_smtp) {
    std::string again = std::string(verb_name(command.verb)) + " " + std::string(command.argument);
    const Command parsed = parse_command(again);
    GP_CHECK(parsed.verb == command.verb && parsed.argument == command.argument);
  }
  GP_CHECK(begins_tls_record(line) == (command.verb == Verb::tls_record));
  // The arguments of every verb are tried as each kind, which is more than a session would do.
  check_greeting(command.argument);
  check_bdat(command.argument);
  check_parameters(line);
  return 0;
}
