// The inside of a client model: what it still has to send, which replies it waits for, what it
// makes of them, and what it does next. Its functions are in client_model.cpp (octets and waits),
// client_judge.cpp (replies), client_plan.cpp (sessions and transactions) and client_hostile.cpp.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/address_model.hpp"
#include "simulation/client_model.hpp"
#include "simulation/reply_parser.hpp"
#include "simulation/reply_table.hpp"

namespace gatepost::simulation {

constexpr std::uint64_t no_attempt = UINT64_MAX;

// A reply that is due for a command that went out.
struct Expected {
  CommandKind kind = CommandKind::unknown;
  std::string command;  // its beginning, for messages
  std::uint64_t attempt = no_attempt;
  // Of RCPT and MAIL: the code that alone is right where the command is looked at at all, or 0.
  std::uint16_t must = 0;
  AcceptedRecipient recipient{};
  std::string sender{};
  std::uint64_t chunks_total = 0;  // octets announced by BDAT up to and with this one
  bool junk = false;               // counts against junk_command_limit (SMG-13)
  bool plain_code = false;         // the reply has no enhanced code
  bool talked_behind = false;      // more was sent, or the sending side closed, before the reply
};

class ClientModel::Impl {
 public:
  Impl(unsigned number, std::uint64_t seed, const ClientSettings& settings, Ledger& ledger,
       Verdicts& verdicts);

  void connected(SimulatedUs now_us);
  void received(SimulatedUs now_us, std::string_view octets);
  void peer_ended(SimulatedUs now_us);
  void reset(SimulatedUs now_us);
  Wish next(SimulatedUs now_us);
  void stop_talking();
  ClientPhase phase() const;
  std::string description() const;

  bool end_excused = false;
  bool reading = true;
  bool finished = false;
  bool stalled = false;

 private:
  // What is done when the octets before it are out.
  struct Step {
    enum class Kind : std::uint8_t {
      await,  // all replies that are due
      pause,  // wait_ms
      fin,
      close,
      reset,
      silence  // for good
    };
    Kind kind;
    std::uint32_t wait_ms = 0;
  };
  // When the octet before `offset` of output_ goes out, this becomes true.
  struct Mark {
    std::size_t offset;
    Expected expected;
    bool hands_over = false;  // the attempt's content is whole
  };
  enum class Pace : std::uint8_t { whole, pieces, typing, crawling };
  // What is done to content in place of just sending it.
  enum class Trick : std::uint8_t { none, early, crawl, bare_dot_wait, silence_after_data };
  // How far the transaction at hand has come.
  enum class Stage : std::uint8_t { none, recipients, content, chunks };

  // --- Octets and waits (client_model.cpp) ---
  void put(std::string_view octets, Expected expected, bool hands_over = false);
  void put_line(CommandKind kind, std::string_view line);
  void put_raw(std::string_view octets);
  void step(Step::Kind kind, std::uint32_t wait_ms = 0) { steps_.push_back({kind, wait_ms}); }
  void await() { step(Step::Kind::await); }
  Wish send_some();
  std::size_t piece_size();
  void pass_marks();
  Wish run_step(const Step& step, bool& again);
  Wish wait_for_replies();
  Wish wait_for_end();
  Wish wait_until(SimulatedUs due_us);
  Wish give_up(Wish::Kind kind);
  Wish ending();
  void connection_over();
  void cut_by_chance();

  // --- Replies (client_judge.cpp) ---
  void judge(const Reply& reply);
  bool judge_out_of_turn(const Reply& reply);
  bool judge_unasked(const Reply& reply);
  void judge_shutting(const Reply& reply);
  bool judge_narrow(const Expected& expected, const Reply& reply);
  bool judge_recipient(const Expected& expected, const Reply& reply);
  bool judge_content(const Expected& expected, const Reply& reply);
  void judge_form(const Expected& expected, const Reply& reply);
  void count_errors(const Expected& expected, const Reply& reply);
  void apply(const Expected& expected, const Reply& reply, StateSet before);
  void apply_content(const Expected& expected, const Reply& reply, StateSet before);
  void last_word();
  void wrong(const std::string& text);
  void wrong_reply(const Expected& expected, const Reply& reply, std::string_view why);

  // --- What to do next (client_plan.cpp) ---
  void plan();
  void plan_step();
  void plan_refused();
  void plan_greeting();
  void put_greeting();
  void side_command();
  void plan_end();
  void think();
  bool may_be_in(DialogState state) const { return contains(state_, state); }
  bool bdat_offered() const { return extended_ && settings_.server.chunking; }

  // --- Transactions (client_transaction.cpp) ---
  void begin_transaction(bool pipelined);
  void list_recipients(AddressMaker& addresses);
  void put_mail(AddressMaker& addresses);
  void put_bad_mail();
  std::string mail_parameters(const SenderModel& sender);
  void put_recipient(const RecipientModel& recipient);
  void go_on_with_transaction();
  void go_on_with_content();
  void content_without_recipients();
  void put_data();
  void put_content();
  void put_chunk();
  void put_all_chunks();
  void put_behind_content();
  void abandon_transaction();
  Attempt& attempt() { return ledger_.at(txn_.attempt); }

  // --- Hostile acts (client_hostile.cpp) ---
  void early_talk();
  void hostile_act();
  void choose_trick();
  void act_out_of_turn();
  void act_wrong_order();
  void act_long_line();
  void act_bad_octets();
  void act_flood();
  void act_not_smtp();
  void act_bad_bdat();
  void act_swallowed_chunk();
  void act_not_reading();
  void act_quit_and_more();
  void put_chunk_of(CommandKind kind, std::string_view payload);
  std::string hidden_commands();

  const unsigned number_;
  Random random_;
  const ClientSettings settings_;
  Ledger& ledger_;
  Verdicts& verdicts_;
  SimulatedUs now_us_ = 0;

  // What goes out.
  std::string output_;
  std::size_t sent_ = 0;  // of output_
  std::deque<Mark> marks_;
  std::deque<Step> steps_;
  std::string sending_;  // what the last wish points to
  SimulatedUs wait_until_us_ = 0;
  SimulatedUs waiting_since_us_ = 0;
  Pace pace_ = Pace::whole;
  bool fin_sent_ = false;

  // What comes in.
  ReplyParser parser_;
  std::deque<Expected> expected_;
  StateSet state_ = only(DialogState::greeted);
  bool last_word_ = false;  // the server has said that it ends
  bool peer_ended_ = false;
  bool lost_ = false;
  bool confused_ = false;           // what is a command and what not can't be told any more
  bool in_data_ = false;            // 354 was said, no reply to the content yet
  bool may_be_thrown_out_ = false;  // it did what is answered by 421 4.7.0 at once
  bool extended_ = false;
  bool greeted_ = false;                // HELO or EHLO was tried
  std::uint64_t current_ = no_attempt;  // whose MAIL the server has
  std::uint32_t rcpt_commands_ = 0;     // in that transaction
  std::uint32_t errors_least_ = 0;      // as SMG-13 counts, what is certain
  std::uint32_t errors_most_ = 0;       // and what may be
  std::uint32_t junk_ = 0;
  std::uint32_t overshoot_ = 0;

  // What it is up to.
  struct Transaction {
    Stage stage = Stage::none;
    std::uint64_t attempt = no_attempt;
    std::vector<RecipientModel> recipients;
    std::size_t next_recipient = 0;
    std::uint64_t chunk_at = 0;  // octets of content that went into chunks
    Trick trick = Trick::none;
    unsigned chunks = 0;
    bool pipelined = false;
    bool chunked = false;
    bool data_sent = false;
    bool last_sent = false;  // BDAT LAST
    bool smtputf8 = false;
    bool tried_without = false;  // content was tried without a recipient
    bool mail_due = false;       // a bad MAIL went first
  } txn_;
  std::string behaviour_;  // for description()
  std::uint64_t transactions_left_ = 0;
  unsigned hostile_acts_left_ = 0;
  unsigned refused_commands_left_ = 0;
  bool half_close_ = false;
  bool slow_ = false;
  bool stopping_ = false;
  bool ending_ = false;  // its last command is planned
};

}  // namespace gatepost::simulation
