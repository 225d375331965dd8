#include "smtp/trace.hpp"

#include <idn2.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/check.hpp"
#include "smtp/octets.hpp"

namespace gatepost::smtp {
namespace {

constexpr std::size_t line_length_wanted = 78;  // RFC 5322 §2.1.1, without CRLF

using DomainStorage = std::array<char, bounds::domain_length_max + 1>;

// Appends tokens, each behind a space, or on a new line when it would not fit on this one.
class FoldedField {
 public:
  explicit FoldedField(ReceivedBuffer& buffer) : buffer_(buffer) {}

  // What comes next begins a new line, as readers expect it of Received.
  void fold() {
    put("\r\n\t");
    column_ = 1;
  }

  void put(std::string_view text) {
    GP_CHECK(text.size() <= buffer_.size() - size_);
    std::memcpy(buffer_.data() + size_, text.data(), text.size());
    size_ += text.size();
    column_ += text.size();
  }

  // Writes "before text after" as one token.
  void token(std::string_view before, std::string_view text, std::string_view after) {
    const std::size_t size = before.size() + text.size() + after.size();
    if (column_ + 1 + size > line_length_wanted)
      fold();
    else
      put(" ");
    put(before);
    put(text);
    put(after);
  }

  std::string_view text() const { return {buffer_.data(), size_}; }

 private:
  ReceivedBuffer& buffer_;
  std::size_t size_ = 0;
  std::size_t column_ = 0;
};

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), octets::non_ascii);
}

// A domain as the field shall spell it.
std::string_view shown_domain(std::string_view domain, bool smtputf8, DomainStorage& storage) {
  const bool ascii = is_ascii(domain);
  std::size_t size = 0;
  if (domain.starts_with('['))
    size = canonical_domain(domain, storage);  // as RFC 5952 has it
  if (smtputf8 && ascii) size = unicode_domain(domain, storage);
  if (!smtputf8 && !ascii) size = canonical_domain(domain, storage);
  return size == 0 ? domain : std::string_view(storage.data(), size);
}

void put_number(char*& out, unsigned value, unsigned digits) {
  for (unsigned i = digits; i-- > 0; value /= 10) out[i] = static_cast<char>('0' + value % 10);
  out += digits;
}

void put_text(char*& out, std::string_view text) {
  out = std::copy(text.begin(), text.end(), out);
}

}  // namespace

std::string_view DateTimeWriter::text(WallUs now) {
  const auto second = static_cast<std::time_t>(now / 1'000'000u);
  const std::string_view result(text_.data(), text_.size());
  if (second == second_) return result;
  second_ = second;

  std::tm local{};
  GP_CHECK(localtime_r(&second, &local) != nullptr);
  constexpr std::string_view days = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const unsigned offset_minutes = static_cast<unsigned>(std::abs(local.tm_gmtoff) / 60);
  char* out = text_.data();
  put_text(out, days.substr(static_cast<std::size_t>(local.tm_wday) * 3, 3));
  put_text(out, ", ");
  put_number(out, static_cast<unsigned>(local.tm_mday), 2);
  put_text(out, " ");
  put_text(out, months.substr(static_cast<std::size_t>(local.tm_mon) * 3, 3));
  put_text(out, " ");
  put_number(out, static_cast<unsigned>(local.tm_year + 1900), 4);
  put_text(out, " ");
  put_number(out, static_cast<unsigned>(local.tm_hour), 2);
  put_text(out, ":");
  put_number(out, static_cast<unsigned>(local.tm_min), 2);
  put_text(out, ":");
  put_number(out, static_cast<unsigned>(local.tm_sec), 2);
  put_text(out, local.tm_gmtoff < 0 ? " -" : " +");
  put_number(out, offset_minutes / 60, 2);
  put_number(out, offset_minutes % 60, 2);
  GP_CHECK(out == text_.data() + text_.size());
  return result;
}

TraceWriter::TraceWriter(std::string_view hostname, std::string_view software)
    : hostname_(hostname), unicode_hostname_(hostname), software_(software) {
  GP_CHECK(valid_domain(hostname, false));
  GP_CHECK(software.size() <= software_length_max);
  for (char c : software)
    GP_CHECK(octets::is(c, octets::printable) && c != '(' && c != ')' && c != '\\');
  DomainStorage storage;
  if (const std::size_t size = unicode_domain(hostname, storage); size > 0)
    unicode_hostname_.assign(storage.data(), size);
}

std::string_view TraceWriter::write_received(const TraceFields& fields, ReceivedBuffer& buffer) {
  GP_CHECK(!fields.helo.empty() && fields.helo.size() <= bounds::domain_length_max);
  GP_CHECK(fields.protocol.size() <= trace_protocol_length_max);
  GP_CHECK(fields.id.size() <= trace_id_length_max);
  GP_CHECK(fields.only_recipient.size() <= mailbox_length_max);
  DomainStorage storage;
  FoldedField field(buffer);

  // From-domain = "FROM" FWS Extended-Domain. What stands in parentheses is of the socket alone.
  std::array<char, address_literal_text_max> peer;
  const std::size_t peer_size = write_address_literal(fields.peer_address, peer);
  // However long the name is, it stands on the first line: readers look for "Received: from".
  field.put("Received: from ");
  field.put(shown_domain(fields.helo, fields.smtputf8, storage));
  field.token("(", {peer.data(), peer_size}, ")");

  field.fold();
  field.put("by ");
  field.put(fields.smtputf8 ? unicode_hostname_ : hostname_);
  if (!software_.empty()) field.token("(", software_, ")");
  field.token("with ", fields.protocol, "");

  // Without SMTPUTF8 a non-ASCII mailbox is never accepted; the clause is optional, so that it
  // would rather be missing than break UTF8-14.
  const bool with_for =
      !fields.only_recipient.empty() && (fields.smtputf8 || is_ascii(fields.only_recipient));
  field.token("id ", fields.id, with_for ? "" : ";");
  if (with_for) {
    const std::size_t at = fields.only_recipient.rfind('@');
    GP_CHECK(at != std::string_view::npos);
    field.fold();
    field.put("for <");
    field.put(fields.only_recipient.substr(0, at + 1));
    field.put(shown_domain(fields.only_recipient.substr(at + 1), fields.smtputf8, storage));
    field.put(">;");
  }
  field.token("", date_.text(fields.received_at), "");
  field.put("\r\n");
  return field.text();
}

std::string_view write_return_path(std::string_view reverse_path, ReturnPathBuffer& buffer) {
  GP_CHECK(reverse_path.size() <= mailbox_length_max);
  char* out = buffer.data();
  put_text(out, "Return-Path: <");
  put_text(out, reverse_path);
  put_text(out, ">\r\n");
  return {buffer.data(), static_cast<std::size_t>(out - buffer.data())};
}

std::size_t unicode_domain(std::string_view domain, DomainStorage& out) {
  constexpr std::string_view prefix = "xn--";
  auto same = [](char a, char b) { return octets::lower(a) == b; };
  if (domain.size() > bounds::domain_length_max ||
      std::search(domain.begin(), domain.end(), prefix.begin(), prefix.end(), same) ==
          domain.end() ||
      !valid_domain(domain, false)) {
    return 0;
  }
  // In lower case, because a U-label has no other (RFC 5890 §2.3.2.1).
  DomainStorage text;
  text[canonical_domain(domain, text)] = '\0';
  char* raw = nullptr;
  const int result = idn2_to_unicode_8z8z(text.data(), &raw, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&idn2_free)> owner(raw, &idn2_free);
  if (result != IDN2_OK) return 0;
  const std::string_view unicode(raw);
  // Decoding alone proves nothing: only what encodes to the same name again is that name (RFC 5891
  // §5.3), and only that may stand in a header.
  DomainStorage again;
  if (unicode.size() > bounds::domain_length_max || !valid_utf8(unicode) || is_ascii(unicode) ||
      !valid_domain(unicode, true)) {
    return 0;
  }
  const std::size_t again_size = canonical_domain(unicode, again);
  if (!equals_ignoring_case({again.data(), again_size}, domain)) return 0;
  std::memcpy(out.data(), unicode.data(), unicode.size());
  return unicode.size();
}

}  // namespace gatepost::smtp
