#include "smtp/transaction.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

using Added = Transaction::Added;

Added add(Transaction& transaction, const std::string& local_part,
          const std::string& domain = "mx.test") {
  Mailbox mailbox;
  mailbox.local_part = local_part;
  mailbox.domain = domain;
  return transaction.add_recipient(mailbox, local_part, local_part, domain);
}

TEST(Transaction, R5321_4_1_1_3_04_a_recipient_given_twice_is_kept_once) {
  TransactionPool pool(1 << 20);
  Transaction& transaction = *pool.take();
  // More than are looked through one by one, so that the index is seen as well.
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "u" + std::to_string(i);
    ASSERT_EQ(add(transaction, name), Added::added);
    ASSERT_EQ(add(transaction, name), Added::repeated) << name;
    ASSERT_EQ(add(transaction, "u0"), Added::repeated) << name;
  }
  EXPECT_EQ(transaction.recipient_count(), 1000u);
  const auto recipients = transaction.recipients();
  ASSERT_EQ(recipients.size(), 1000u);
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    EXPECT_EQ(recipients[i].address, "u" + std::to_string(i) + "@mx.test");
    EXPECT_EQ(recipients[i].local_part, "u" + std::to_string(i));
    EXPECT_EQ(recipients[i].domain, "mx.test");
  }
  pool.give_back(&transaction);
}

TEST(Transaction, R5321_2_4_02_local_parts_differ_by_case_and_domains_by_name) {
  TransactionPool pool(1 << 20);
  Transaction& transaction = *pool.take();
  EXPECT_EQ(add(transaction, "User"), Added::added);
  EXPECT_EQ(add(transaction, "user"), Added::added);
  EXPECT_EQ(add(transaction, "user", "other.test"), Added::added);
  // The border between local-part and domain is part of the comparison.
  EXPECT_EQ(add(transaction, "a", "bc.test"), Added::added);
  EXPECT_EQ(add(transaction, "ab", "c.test"), Added::added);
  EXPECT_EQ(transaction.recipient_count(), 5u);
  pool.give_back(&transaction);
}

TEST(Transaction, the_domain_stays_as_spelled_and_is_compared_in_canonical_form) {
  TransactionPool pool(1 << 20);
  Transaction& transaction = *pool.take();
  Mailbox mailbox;
  mailbox.local_part = "\"a b\"";
  mailbox.domain = "MX.Test";
  EXPECT_EQ(transaction.add_recipient(mailbox, "a b", "a b", "mx.test"), Added::added);
  mailbox.domain = "mx.TEST";
  EXPECT_EQ(transaction.add_recipient(mailbox, "a b", "a b", "mx.test"), Added::repeated);
  Mailbox postmaster;
  postmaster.local_part = "Postmaster";
  EXPECT_EQ(transaction.add_recipient(postmaster, "Postmaster", "postmaster", "mx.test"),
            Added::added);
  const auto recipients = transaction.recipients();
  EXPECT_EQ(recipients[0].address, "\"a b\"@MX.Test");
  EXPECT_EQ(recipients[0].local_part, "a b");
  EXPECT_EQ(recipients[0].mailbox, "a b");
  EXPECT_EQ(recipients[1].address, "Postmaster@mx.test");
  EXPECT_EQ(recipients[1].local_part, "Postmaster");
  EXPECT_EQ(recipients[1].mailbox, "postmaster");
  pool.give_back(&transaction);
}

TEST(Transaction, the_budget_bounds_all_transactions_together_and_comes_back) {
  constexpr std::size_t budget = 256 * 1024;
  TransactionPool pool(budget);
  auto fill = [](Transaction& transaction) {
    int count = 0;
    while (count < 1'000'000 && add(transaction, "user" + std::to_string(count)) == Added::added)
      ++count;
    return count;
  };
  Transaction& first = *pool.take();
  const int alone = fill(first);
  EXPECT_GT(alone, 100);
  EXPECT_LT(alone, 10'000);
  // Refused, and refused again: nothing of it was kept.
  EXPECT_EQ(add(first, "one-more"), Added::no_memory);
  EXPECT_EQ(first.recipient_count(), static_cast<std::size_t>(alone));
  Transaction& second = *pool.take();
  EXPECT_LT(fill(second), alone);
  EXPECT_EQ(pool.in_use(), 2u);
  pool.give_back(&first);
  pool.give_back(&second);
  Transaction& third = *pool.take();
  EXPECT_EQ(fill(third), alone);
  pool.give_back(&third);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Transaction, R5321_4_5_3_1_8_01_a_hundred_recipients_fit_however_full_the_pool_is) {
  TransactionPool pool(64 * 1024);
  const std::string prefix(55, 'x');
  std::vector<Transaction*> full;
  for (int i = 0; i < 20; ++i) {
    full.push_back(pool.take());
    for (int n = 0; n < 1000; ++n)
      if (add(*full.back(), prefix + std::to_string(i * 1000 + n)) == Added::no_memory) break;
  }
  Transaction& late = *pool.take();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(add(late, prefix + std::to_string(i)), Added::added) << i;
  pool.give_back(&late);
  for (Transaction* each : full) pool.give_back(each);
}

TEST(Transaction, nothing_is_left_of_the_last_one) {
  TransactionPool pool(1 << 20);
  Transaction* transaction = pool.take();
  Mailbox mailbox;
  mailbox.local_part = "a";
  mailbox.domain = "b.test";
  transaction->begin(mailbox, false);
  EXPECT_EQ(transaction->reverse_path(), "a@b.test");
  for (int i = 0; i < 20; ++i) add(*transaction, "u" + std::to_string(i));
  transaction->declared_size = 5;
  transaction->smtputf8 = true;
  transaction->rcpt_commands = 20;
  transaction->chunk_octets = 7;
  pool.give_back(transaction);
  EXPECT_EQ(pool.take(), transaction);
  EXPECT_EQ(transaction->reverse_path(), "");
  EXPECT_EQ(transaction->recipient_count(), 0u);
  EXPECT_TRUE(transaction->recipients().empty());
  EXPECT_EQ(transaction->declared_size, 0u);
  EXPECT_FALSE(transaction->smtputf8);
  EXPECT_EQ(transaction->rcpt_commands, 0u);
  EXPECT_EQ(transaction->chunk_octets, 0u);
  // The index of the last one must not find its entries here.
  EXPECT_EQ(add(*transaction, "u3"), Added::added);
  pool.give_back(transaction);
}

TEST(Transaction, the_longest_mailbox_fits) {
  TransactionPool pool(1 << 20);
  Transaction& transaction = *pool.take();
  const std::string local_part = "\"" + std::string(64, ' ') + "\"";
  const std::string domain(255, 'd');
  Mailbox mailbox;
  mailbox.local_part = local_part;
  mailbox.domain = domain;
  transaction.begin(mailbox, false);
  EXPECT_EQ(transaction.reverse_path().size(), 66u + 1 + 255);
  pool.give_back(&transaction);
}

}  // namespace
}  // namespace gatepost::smtp
