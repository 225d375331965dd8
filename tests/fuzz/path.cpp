// Any octets as the argument of MAIL and RCPT: results point into the input or the storage, and a
// canonical mailbox is its own canonical form. The first octet chooses the options.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "smtp/path.hpp"

using namespace gatepost::smtp;
namespace bounds = gatepost::bounds;

namespace {

bool within(std::string_view part, const char* begin, std::size_t size) {
  return part.empty() || (part.data() >= begin && part.data() + part.size() <= begin + size);
}

using DomainStorage = std::array<char, bounds::domain_length_max + 1>;

void check_domain(const Mailbox& mailbox) {
  DomainStorage canonical, again;
  const std::size_t size = canonical_domain(mailbox.domain, canonical);
  GP_CHECK(size > 0 && size <= bounds::domain_length_max);
  const std::string_view domain(canonical.data(), size);
  for (char c : domain) GP_CHECK(c > ' ' && c < '\x7f' && c != '/');
  GP_CHECK(mailbox.literal == (domain.front() == '['));
  GP_CHECK(mailbox.literal ? valid_address_literal(domain) : valid_domain(domain, false));
  GP_CHECK(canonical_domain(domain, again) == size);
  GP_CHECK(std::string_view(again.data(), size) == domain);
}

void check_local_part(const Mailbox& mailbox) {
  GP_CHECK(!mailbox.local_part.empty());
  GP_CHECK(mailbox.local_part.size() <= bounds::local_part_length_max + 2);
  MailboxStorage storage;
  const std::string_view plain = unquoted_local_part(mailbox.local_part, storage);
  GP_CHECK(!plain.empty() && plain.size() <= bounds::local_part_length_max);
  for (char c : plain) GP_CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

void check_path(std::string_view argument, PathOptions options, bool reverse) {
  auto parse = [&](std::string_view text, MailboxStorage& into) {
    return reverse ? parse_reverse_path(text, options, into)
                   : parse_forward_path(text, options, into);
  };
  MailboxStorage storage;
  const Path path = parse(argument, storage);
  if (path.error != PathError::none && path.error != PathError::not_ascii) return;
  GP_CHECK(within(path.parameters, argument.data(), argument.size()));
  GP_CHECK(path.parameters.empty() || path.parameters.front() == ' ');
  if (path.null) {
    GP_CHECK(reverse && path.mailbox.local_part.empty() && path.mailbox.domain.empty());
    return;
  }
  const Mailbox& mailbox = path.mailbox;
  GP_CHECK(within(mailbox.local_part, argument.data(), argument.size()) ||
           within(mailbox.local_part, storage.local_part.data(), storage.local_part.size()));
  GP_CHECK(within(mailbox.domain, argument.data(), argument.size()));
  check_local_part(mailbox);
  if (path.error != PathError::none) return;

  std::string again = (reverse ? "FROM:<" : "TO:<") + std::string(mailbox.local_part);
  if (mailbox.domain.empty()) {
    GP_CHECK(!reverse && equals_ignoring_case(mailbox.local_part, "postmaster"));
  } else {
    check_domain(mailbox);
    again += "@" + std::string(mailbox.domain);
    GP_CHECK(again.size() - (reverse ? 6 : 4) <= mailbox_length_max);
  }
  again += ">";
  MailboxStorage storage_again;
  const Path parsed = parse(again, storage_again);
  GP_CHECK(parsed.error == PathError::none && parsed.parameters.empty());
  GP_CHECK(parsed.mailbox.local_part == mailbox.local_part);
  GP_CHECK(parsed.mailbox.domain == mailbox.domain);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const PathOptions options{.utf8_allowed = (data[0] & 1) != 0,
                            .space_after_colon = (data[0] & 2) != 0};
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  check_path("FROM:" + text, options, true);
  check_path("TO:" + text, options, false);
  check_path(text, options, true);
  check_path(text, options, false);

  DomainStorage out;
  canonical_domain(text, out);
  std::array<std::uint8_t, 16> address;
  if (address_literal_value(text, address)) {
    std::array<char, address_literal_text_max> literal;
    std::array<std::uint8_t, 16> again;
    const std::size_t literal_size = write_address_literal(address, literal);
    GP_CHECK(address_literal_value({literal.data(), literal_size}, again) && again == address);
  }
  return 0;
}
