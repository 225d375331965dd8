// How a session takes message content: DATA until its end of data, BDAT by count.

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {
namespace {

// Content this many times over the limit ends the connection (SIZE-12): up to there it is read and
// dropped, so that the session stays in step.
constexpr std::uint64_t overrun_factor = 10;

bool far_over(std::uint64_t octets, std::uint64_t limit) {
  return octets > 0 && (octets - 1) / overrun_factor >= limit;  // octets > limit * factor
}

}  // namespace

std::uint64_t Session::content_octets() const {
  if (transaction_ == nullptr) return 0;
  // One of the two, whichever brought the content.
  return transaction_->data_scanner.content_octets() + transaction_->chunk_octets;
}

void Session::opened(const FixedReply* refusal) {
  GP_CHECK(phase_ == Phase::deciding && transaction_ != nullptr);
  if (refusal == nullptr) {
    transaction_->sink_open = true;
    transaction_->failure = nullptr;
    transaction_->content_begun = false;
    transaction_->inspector.begin(style_.line_end == scan::LineEnd::lf
                                      ? HeaderInspector::LineEnd::lf
                                      : HeaderInspector::LineEnd::crlf);
  }
  if (bdat_opening_) {
    transaction_->data_scanner = {};  // of an earlier message
    chunk_refusal_ = refusal;
    phase_ = refusal == nullptr ? Phase::chunk : Phase::swallow;
    if (refusal == nullptr)
      transaction_->chunk_scanner.begin(style_.line_end, peer_.bare_newline,
                                        transaction_->body == BodyType::binary_mime);
    return;
  }
  if (refusal != nullptr) {
    phase_ = Phase::command;
    answer(*refusal);
    return;
  }
  transaction_->data_scanner.begin(style_.line_end, peer_.bare_newline);
  phase_ = Phase::data;
  answer(replies::start_data);
}

// The message will be refused: its content is read on to its end, but nothing of it is kept
// (SMG-12, SMG-14).
void Session::fail_content(const FixedReply& reply) {
  const bool first = transaction_->failure == nullptr;
  // What the peer is told must not depend on how its octets were cut (SMG-10): of several reasons
  // it is the one that stands first in this order, whichever was found first.
  static constexpr std::array order{&replies::bare_newline_in_content, &replies::size_over_limit,
                                    &replies::header_too_big, &replies::mail_loop};
  auto rank = [](const FixedReply* failure) { return std::ranges::find(order, failure); };
  if (first || rank(&reply) < rank(transaction_->failure)) transaction_->failure = &reply;
  if (!first) return;
  transaction_->sink_open = false;
  host_.abort_message();
}

void Session::check_findings(scan::Findings findings) {
  if (peer_.bare_newline == scan::BareNewline::keep &&
      (findings & (scan::bare_cr | scan::bare_lf)) != 0)
    fail_content(replies::bare_newline_in_content);
}

// Content that begins with white space would continue the last field of the trace that stands on
// top of it: what the peer says would become part of what we say, and what follows would be taken
// for more of the header section. An empty line keeps the two apart.
void Session::begin_content(std::uint8_t first) {
  transaction_->content_begun = true;
  if ((first != ' ' && first != '\t') || transaction_->failure != nullptr) return;
  host_.content_constant(style_.line_end == scan::LineEnd::lf ? "\n" : "\r\n");
}

// Hands content on to the host, less the fields that are dropped.
void Session::inspect(std::uint8_t* data, std::size_t size, bool constant) {
  if (size == 0) return;
  if (!transaction_->content_begun) begin_content(data[0]);
  // The header section of a message that is refused already is still looked at, for the reason that
  // is told in the end (fail_content).
  const bool dropped = transaction_->failure != nullptr;
  HeaderInspector& inspector = transaction_->inspector;
  auto give = [&](std::uint8_t* octets, std::size_t count) {
    if (constant)
      host_.content_constant({reinterpret_cast<const char*>(octets), count});
    else
      host_.content(octets, count);
  };
  if (inspector.in_header()) {
    inspector.inspect(
        {data, size},
        [&](const HeaderInspector::Piece& piece) {
          if (dropped) return;
          bool keep = piece.verdict == HeaderInspector::Verdict::keep || !style_.drop_return_path;
          if (piece.verdict == HeaderInspector::Verdict::undecided && style_.drop_return_path) {
            if (constant)
              host_.hold_constant({reinterpret_cast<const char*>(data + piece.offset), piece.size});
            else
              host_.hold_content(data + piece.offset, piece.size);
            return;
          }
          if (keep) give(data + piece.offset, piece.size);
        },
        [&](bool keep) {
          if (style_.drop_return_path && !dropped) host_.resolve_held(keep);
        });
    if (inspector.header_octets() > config_.settings.header_size_limit)
      fail_content(replies::header_too_big);
    if (inspector.received_count() > config_.settings.hopcount_limit)
      fail_content(replies::mail_loop);  // RFC 5321 §6.3
    return;
  }
  if (!dropped) give(data, size);
}

void Session::give_content(const scan::Content& content, std::uint8_t* data) {
  static constexpr char cr_octet[] = "\r";
  static constexpr char space_octet[] = " ";
  static constexpr char crlf_octets[] = "\r\n";
  auto constant = [](const char* text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text));
  };
  if (content.leading_cr) inspect(constant(cr_octet), 1, true);
  if (content.leading_space) inspect(constant(space_octet), 1, true);
  inspect(data, content.produced, false);
  if (content.append_crlf) inspect(constant(crlf_octets), 2, true);
}

Event Session::take_data(std::span<std::uint8_t>& input) {
  scan::DataScanner& scanner = transaction_->data_scanner;
  scan::Content content = scanner.scan(input.data(), input.size());
  std::uint8_t* data = input.data();
  input = input.subspan(content.consumed);
  const std::uint64_t limit = config_.settings.message_size_limit;
  if (scanner.content_octets() > limit) {
    fail_content(replies::size_over_limit);
    if (far_over(scanner.content_octets(), limit))
      return close_with(replies::size_over_limit.wire, Ending::oversize, ReplyKind::end_of_data);
  }
  check_findings(scanner.findings());
  give_content(content, data);
  return content.end_of_data ? finish_content() : Event::need_input;
}

// The content is whole: refuse it, or have it committed.
Event Session::finish_content() {
  if (transaction_->failure == nullptr && transaction_->inspector.in_header()) {
    transaction_->inspector.finish([&](bool keep) {
      if (style_.drop_return_path) host_.resolve_held(keep);
    });
    // The last line may have been a field, and only now is its end known.
    if (transaction_->inspector.received_count() > config_.settings.hopcount_limit)
      fail_content(replies::mail_loop);
  }
  if (transaction_->failure == nullptr) {
    phase_ = Phase::committing;
    return Event::commit_message;
  }
  const FixedReply& failure = *transaction_->failure;
  answer(failure.wire, ReplyKind::end_of_data);
  end_transaction();
  state_ = State::ready;
  phase_ = Phase::command;
  return Event::need_input;
}

void Session::committed(const FixedReply* refusal, std::string_view id) {
  GP_CHECK(phase_ == Phase::committing && transaction_ != nullptr);
  transaction_->sink_open = false;
  if (refusal != nullptr) {
    answer(refusal->wire, ReplyKind::end_of_data);
  } else {
    constexpr std::string_view begin = "250 2.0.0 Ok: queued as ";
    std::array<char, begin.size() + bounds::message_id_length + 2> wire;
    GP_CHECK(id.size() == bounds::message_id_length);
    char* end = std::copy(begin.begin(), begin.end(), wire.data());
    end = std::copy(id.begin(), id.end(), end);
    *end++ = '\r';
    *end++ = '\n';
    answer({wire.data(), wire.size()}, ReplyKind::end_of_data);
    errors_ = 0;
    junk_ = 0;
    overshoot_ = 0;
  }
  end_transaction();
  state_ = State::ready;
  phase_ = Phase::command;
}

// RFC 3030 §2. The octets of a chunk follow its command whatever the answer, so they are taken off
// the stream even when the command is refused; without a length that is impossible (BDAT-15).
Event Session::bdat_command() {
  // BDAT-20: where it is not offered a payload follows all the same, and must not run as commands.
  const bool helo_only = state_ >= State::ready && !extended_;
  if (!config_.settings.chunking || helo_only)
    return close_with(replies::not_implemented.wire, Ending::unusable_bdat);
  BdatArgument argument = parse_bdat_argument(command_.argument);
  command_.argument = {};  // its line is gone when the chunk is answered
  if (!argument.valid) return close_with(replies::bdat_length_unknown.wire, Ending::unusable_bdat);
  if (far_over(argument.size, config_.settings.message_size_limit))
    return close_with(replies::size_over_limit.wire, Ending::oversize);
  chunk_left_ = argument.size;
  chunk_last_ = argument.last;
  if (argument.size == 0 && !argument.last)
    junk_now_ = ++junk_ > config_.settings.junk_command_limit;
  chunk_refusal_ = bdat_refusal(argument.size);
  if (chunk_refusal_ != nullptr) {
    phase_ = Phase::swallow;
    return Event::need_input;
  }
  return begin_chunk();
}

const FixedReply* Session::bdat_refusal(std::uint64_t size) {
  if (const FixedReply* refusal = forbidden(state_, Verb::bdat); refusal != nullptr) return refusal;
  if (state_ == State::mail)
    return transaction_->rcpt_commands == 0 ? &replies::need_rcpt : &replies::no_valid_recipients;
  if (transaction_->chunk_octets + size > config_.settings.message_size_limit)
    return &replies::size_over_limit;
  return nullptr;
}

Event Session::begin_chunk() {
  transaction_->chunk_octets += chunk_left_;
  if (state_ == State::recipients) {
    bdat_opening_ = true;
    phase_ = Phase::deciding;
    return Event::open_message;
  }
  phase_ = Phase::chunk;
  return Event::need_input;
}

Event Session::take_chunk(std::span<std::uint8_t>& input) {
  std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), chunk_left_));
  chunk_left_ -= size;
  bool last = chunk_last_ && chunk_left_ == 0;
  std::span<std::uint8_t> octets = input.first(size);
  input = input.subspan(size);
  scan::ChunkScanner& scanner = transaction_->chunk_scanner;
  // Once even without octets: `last` may set free what the scanner withheld.
  do {
    scan::Content content = scanner.scan(octets.data(), octets.size(), last);
    check_findings(scanner.findings());
    give_content(content, octets.data());
    octets = octets.subspan(content.consumed);
  } while (!octets.empty());
  if (chunk_left_ > 0) return Event::need_input;
  if (chunk_last_) return finish_content();
  state_ = State::chunks;
  phase_ = Phase::command;
  answer(replies::chunk_ok);
  return Event::need_input;
}

Event Session::take_swallowed(std::span<std::uint8_t>& input) {
  std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), chunk_left_));
  chunk_left_ -= size;
  input = input.subspan(size);
  return chunk_left_ > 0 ? Event::need_input : end_chunk();
}

// A refused chunk is off the stream: now comes its reply (BDAT-06).
Event Session::end_chunk() {
  phase_ = Phase::command;
  const FixedReply& refusal = *chunk_refusal_;
  chunk_refusal_ = nullptr;
  if (transaction_ != nullptr) {
    if (chunk_last_) {
      end_transaction();
      state_ = State::ready;
    } else {
      if (transaction_->sink_open) {
        transaction_->sink_open = false;
        host_.abort_message();
      }
      state_ = State::chunks_failed;
    }
  }
  answer(refusal);
  return Event::need_input;
}

}  // namespace gatepost::smtp
