#include "sink/sink_uri.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>
#include <filesystem>

#include "sink_harness.hpp"

namespace gatepost {
namespace {

std::string mailbox_of(const std::string& text, const std::string& local_part,
                       const std::string& domain) {
  const Result<MaildirTemplate> where = MaildirTemplate::parse(text);
  EXPECT_TRUE(where.ok()) << text;
  std::string path;
  const Recipient recipient{"", local_part, local_part, domain};
  if (where.ok()) where.value().append_mailbox(path, recipient);
  return path;
}

std::string error_of(const std::string& uri) {
  const Result<SinkSpec> spec = parse_sink_uri(uri);
  EXPECT_FALSE(spec.ok()) << uri;
  return spec.ok() ? std::string() : spec.error();
}

TEST(SinkUri, takes_maildir_and_discard) {
  EXPECT_EQ(parse_sink_uri("discard:").value().kind, SinkSpec::Kind::discard);
  const Result<SinkSpec> spec = parse_sink_uri("maildir:/srv/mail/{domain}/{local-part}");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec.value().kind, SinkSpec::Kind::maildir);
  EXPECT_EQ(spec.value().maildir->text(), "/srv/mail/{domain}/{local-part}");
  EXPECT_EQ(spec.value().maildir->root(), "/srv/mail");
}

TEST(SinkUri, names_what_was_given_and_what_is_allowed) {
  for (const char* uri : {"", "discard", "discard:x", "mbox:/x", "Maildir:/x", "/srv/mail",
                          "maildir:", "maildir:/a/../b", "maildir:..", "maildir:/a/{user}",
                          "maildir:/a/{local-part", "maildir:/a/{}", "maildir:/"}) {
    const std::string error = error_of(uri);
    EXPECT_NE(error.find("\"" + std::string(uri) + "\""), std::string::npos) << error;
    EXPECT_NE(error.find("maildir:PATH"), std::string::npos) << error;
    EXPECT_NE(error.find("{local-part}"), std::string::npos) << error;
    EXPECT_NE(error.find("discard:"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(SinkUri, creating_names_the_path_that_cannot_be) {
  test::TemporaryDirectory directory;
  test::RecordingHost host;
  const std::string file = directory.path() + "/file";
  std::ofstream(file) << "in the way";
  const SinkSpec spec = parse_sink_uri("maildir:" + file + "/mail/{domain}").value();
  const Result<std::unique_ptr<Sink>> sink = create_sink(spec, {}, 0, host);
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error(), "mkdir " + file + "/mail: Not a directory");
}

TEST(MaildirTemplate, fills_in_placeholders) {
  EXPECT_EQ(mailbox_of("/m/{domain}/{local-part}", "Bob", "example.org"), "/m/example.org/Bob");
  EXPECT_EQ(mailbox_of("/m/{address}/Maildir", "a@b", "c.d"), "/m/a%40b@c.d/Maildir");
  EXPECT_EQ(mailbox_of("/m/x-{domain}-y", "u", "d"), "/m/x-d-y");
  EXPECT_EQ(mailbox_of("//m///{domain}/./z/", "u", "d"), "/m/d/z");
  EXPECT_EQ(mailbox_of("/{domain}", "u", "d"), "/d");
  EXPECT_EQ(mailbox_of("/m", "u", "d"), "/m");
}

TEST(MaildirTemplate, takes_relative_paths_from_the_working_directory) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(mailbox_of("./var/mail/{domain}", "u", "d"), here + "/var/mail/d");
}

TEST(MaildirTemplate, braces_in_the_working_directory_are_no_placeholders) {
  test::TemporaryDirectory directory;
  const std::string braced = directory.path() + "/{domain}{x}";
  std::filesystem::create_directory(braced);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(braced);
  EXPECT_EQ(mailbox_of("m/{domain}", "u", "d"), braced + "/m/d");
  std::filesystem::current_path(before);
}

TEST(MaildirTemplate, D14_hostile_addresses_stay_at_their_depth) {
  for (const char* hostile : {"..", "../../etc", "/etc/passwd", ".", "", "a/../../b", "~", "new"}) {
    const std::string path = mailbox_of("/srv/mail/{domain}/{local-part}", hostile, "example.org");
    EXPECT_TRUE(path.starts_with("/srv/mail/example.org/")) << path;
    EXPECT_EQ(std::count(path.begin(), path.end(), '/'), 4) << path;
    EXPECT_NE(path.back(), '/');
    EXPECT_FALSE(path.ends_with("/.") || path.ends_with("/..")) << path;
  }
  EXPECT_EQ(mailbox_of("/m/{domain}", "u", "[192.0.2.1]"), "/m/%5B192.0.2.1%5D");
}

TEST(MaildirTemplate, bounds_each_component) {
  const std::string path =
      mailbox_of("/m/{address}", std::string(64, '\xC3'), std::string(255, 'd'));
  EXPECT_EQ(path.size(), 3 + 255u);
}

TEST(MaildirTemplate, refuses_two_values_that_could_run_into_each_other) {
  EXPECT_FALSE(MaildirTemplate::parse("/m/{local-part}{domain}").ok());
  EXPECT_FALSE(MaildirTemplate::parse("/m/{local-part}-{domain}").ok());
  EXPECT_TRUE(MaildirTemplate::parse("/m/{local-part}@{domain}").ok());
  EXPECT_TRUE(MaildirTemplate::parse("/m/{local-part},x{domain}").ok());
}

TEST(MaildirTemplate, refuses_paths_that_could_outgrow_the_kernels_limit) {
  std::string longer = "/m";
  for (int i = 0; i < 20; ++i) longer += "/{domain}";
  EXPECT_FALSE(MaildirTemplate::parse(longer).ok());
  EXPECT_FALSE(MaildirTemplate::parse("/" + std::string(256, 'x')).ok());
  EXPECT_FALSE(MaildirTemplate::parse(std::string("/a\0b", 4)).ok());
}

TEST(MaildirSync, names) {
  EXPECT_EQ(parse_maildir_sync("auto"), MaildirSync::automatic);
  EXPECT_EQ(parse_maildir_sync("portable"), MaildirSync::portable);
  EXPECT_EQ(parse_maildir_sync("batched"), MaildirSync::batched);
  EXPECT_FALSE(parse_maildir_sync("Auto").has_value());
  EXPECT_FALSE(parse_maildir_sync("").has_value());
}

TEST(FileOrder, reads_the_journal_mode_of_ext4) {
  EXPECT_EQ(order_of_ext4_options("rw\ndelalloc\ndata=ordered\n"), FileOrder::journaled);
  EXPECT_EQ(order_of_ext4_options("rw\ndata=journal"), FileOrder::journaled);
  EXPECT_EQ(order_of_ext4_options("rw\ndata=writeback\n"), FileOrder::portable);
  EXPECT_EQ(order_of_ext4_options("rw\ndelalloc\n"), FileOrder::flushed);
  EXPECT_FALSE(order_of_ext4_options("").has_value());
}

}  // namespace
}  // namespace gatepost
