#include "simulation/address_model.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gatepost::simulation {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

}  // namespace

SenderModel AddressMaker::sender() {
  const std::string number = std::to_string(attempt_);
  const std::string plain = "s" + number + "@sender.example";
  if (random_.once_in(12)) return {"<>", "", false};
  if (!random_.percent(settings_.odd_addresses)) return {"<" + plain + ">", plain, false};
  switch (random_.below(utf8_ ? 6 : 5)) {
    case 0:
      return {"<@a.example,@b.example:" + plain + ">", plain, false};
    case 1:  // quoted without need
      return {"<\"s" + number + "\"@sender.example>", plain, false};
    case 2: {
      const std::string odd = "\"s " + number + "@x\"@sender.example";
      return {"<" + odd + ">", odd, false};
    }
    case 3: {
      const std::string odd = "s" + number + "!#$%&'*/=?^_`{|}~-@[192.0.2.7]";
      return {"<" + odd + ">", odd, false};
    }
    case 4: {
      const std::string long_one = std::string(60, 'l') + "@sender.example";
      return {"<" + long_one + ">", long_one, false};
    }
    default: {
      const std::string odd = "\xce\xb4" + number + "@sender.example";
      return {"<" + odd + ">", odd, true};
    }
  }
}

RecipientModel AddressMaker::at_everyone(const std::string& wire_local,
                                         const std::string& canonical_local,
                                         const std::string& local_part) {
  const std::string& domain = settings_.server.everyone_domain;
  RecipientModel model;
  model.path = "<" + wire_local + "@" + domain + ">";
  model.target = {domain + "/" + local_part, canonical_local + "@" + domain};
  return model;
}

RecipientModel AddressMaker::plain_recipient(std::uint64_t number) {
  std::string local = "u" + std::to_string(attempt_) + "-" + std::to_string(number);
  return at_everyone(local, local, local);
}

RecipientModel AddressMaker::recipient(std::uint64_t number, bool unique) {
  if (random_.percent(settings_.odd_addresses)) return odd_recipient(number);
  if (unique || !random_.percent(30)) return plain_recipient(number);
  RecipientModel model;
  const ServerFacts& server = settings_.server;
  if (!random_.once_in(4)) {
    const std::string local = "user" + std::to_string(random_.below(10));
    model.path = "<" + local + "@" + server.users_domain + ">";
    model.target = {server.users_domain + "/" + local, local + "@" + server.users_domain};
    return model;
  }
  static constexpr std::array<std::string_view, 3> spellings{"postmaster", "PostMaster",
                                                             "POSTMASTER"};
  const std::string local(spellings[random_.below(spellings.size())]);
  if (random_.once_in(2)) {
    model.path = "<" + local + ">";
    // A next hop would be told a whole address.
    const std::string& first = server.postmaster_domain;
    model.target = {first + "/postmaster", local + "@" + first, first + "/" + local};
    return model;
  }
  const std::string& domain = random_.once_in(2) ? server.users_domain : server.everyone_domain;
  model.path = "<" + local + "@" + domain + ">";
  model.target = {domain + "/postmaster", local + "@" + domain, domain + "/" + local};
  return model;
}

RecipientModel AddressMaker::odd_recipient(std::uint64_t number) {
  const std::string name = "u" + std::to_string(attempt_) + "-" + std::to_string(number);
  const std::string& domain = settings_.server.everyone_domain;
  switch (random_.below(utf8_ ? 8 : 6)) {
    case 0: {
      RecipientModel model = plain_recipient(number);
      model.path = "<@a.example,@b.example:" + name + "@" + domain + ">";
      return model;
    }
    case 1:
      return at_everyone("\"" + name + "\"", name, name);
    case 2:
      return at_everyone("\"" + name + " x@y>z\"", "\"" + name + " x@y>z\"", name + " x@y>z");
    case 3: {
      const std::string local = "-.." + name + "/../x";
      return at_everyone("\"" + local + "\"", "\"" + local + "\"", local);
    }
    case 4: {
      const std::string local = name + "!#$%&'*/=?^_`{|}~";
      return at_everyone(local, local, local);
    }
    case 5: {
      RecipientModel model = plain_recipient(number);
      const std::string address = name + "@" + upper(domain);
      model.path = "<" + address + ">";
      model.target.address = address;
      return model;
    }
    default: {
      const std::string local = name + "-\xce\xb4\xce\xbf\xce\xba";
      RecipientModel model = at_everyone(local, local, local);
      model.needs_smtputf8 = true;
      return model;
    }
  }
}

RecipientModel AddressMaker::bad_recipient(std::uint64_t number) {
  const ServerFacts& server = settings_.server;
  RecipientModel model;
  const std::uint64_t kind = random_.below(10);
  if (kind < 4) {
    model.fate = RecipientModel::Fate::unknown_user;
    model.path = "<nobody" + std::to_string(number) + "@" + server.users_domain + ">";
    return model;
  }
  if (kind < 7) {
    static constexpr std::array<std::string_view, 5> foreign{
        "<u@remote.example>", "<u@sub.everyone.example>", "<u@[192.0.2.1]>",
        "<u@everyone.example.remote.example>", "<\"u@everyone.example\"@remote.example>"};
    model.fate = RecipientModel::Fate::foreign;
    model.path = foreign[random_.below(foreign.size())];
    return model;
  }
  static const std::array<std::string, 10> malformed{
      "<>",
      "<u@>",
      "u@everyone.example",
      "<u@every_one.example>",
      "<u@-x.example>",
      "<.u@everyone.example>",
      "<u@everyone.example> FOO=1",
      "<u@everyone.example>X",
      "<" + std::string(65, 'l') + "@everyone.example>",
      "<u@everyone.example"};
  model.fate = RecipientModel::Fate::malformed;
  model.path = malformed[random_.below(malformed.size())];
  return model;
}

}  // namespace gatepost::simulation
