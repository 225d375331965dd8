// Directory names made from hostile addresses: whatever comes in, the name is one component that
// stays where it is put, and no two values share a name.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "sink/maildir_name.hpp"
#include "sink/maildir_template.hpp"

namespace {

using namespace gatepost;

void check_component(std::string_view name) {
  GP_CHECK(!name.empty() && name.size() <= component_length_max);
  GP_CHECK(name.front() != '.' && name.front() != '-');
  for (const char octet : name) {
    GP_CHECK(octet != '/' && octet > ' ' && octet < 0x7F);
  }
}

void check_value(std::string_view value) {
  std::string unbounded;
  append_encoded(unbounded, value);
  const std::string name = encode_component(value);
  check_component(name);
  if (unbounded.size() <= component_length_max) {
    GP_CHECK(name == unbounded);
    GP_CHECK(decode_component(name) == value);
  } else {
    GP_CHECK(!decode_component(name).has_value());
  }
}

// What decodes is exactly what encoding writes: no second spelling of a name is taken for ours.
void check_name(std::string_view name) {
  const std::optional<std::string> value = decode_component(name);
  if (!value) return;
  std::string again;
  append_encoded(again, *value);
  GP_CHECK(again == name);
}

void check_mailbox(std::string_view local_part, std::string_view domain) {
  static const MaildirTemplate where =
      MaildirTemplate::parse("/root/{domain}/x{local-part}/{address}").value();
  std::string path;
  where.append_mailbox(path, Recipient{{}, local_part, local_part, domain});
  GP_CHECK(path.starts_with("/root/"));
  std::string_view rest = std::string_view(path).substr(6);
  for (int depth = 0; depth < 3; ++depth) {
    const std::size_t end = rest.find('/');
    GP_CHECK((end == std::string_view::npos) == (depth == 2));
    check_component(rest.substr(0, end));
    if (depth < 2) rest.remove_prefix(end + 1);
  }
}

bool nobody_lives(std::uint32_t) {
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_value(input);
  check_name(input);
  const std::size_t at = input.find('@');
  check_mailbox(input.substr(0, at), at == std::string_view::npos ? "" : input.substr(at + 1));

  // The parser of temporary names reads what stands in a directory that others may write to.
  static const ProcessIdentity self = ProcessIdentity::current("mx.example.org");
  is_stale_temporary(input, self, 0, nobody_lives);
  GP_CHECK(is_stale_temporary(input, self, 1'000'000, nobody_lives) ||
           input.find(self.life) != std::string_view::npos);

  // Any text may stand behind "maildir:"; what is taken names an absolute path without "..".
  if (input.find('\0') == std::string_view::npos) {
    const Result<MaildirTemplate> where = MaildirTemplate::parse(input);
    if (where) {
      GP_CHECK(where.value().text().front() == '/');
      GP_CHECK((where.value().text() + "/").find("/../") == std::string::npos);
    }
  }
  return 0;
}
