#include "exporters/postgres/host_addresses.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace sidecar::postgres {
namespace {

// An answer that came when nobody waited any more serves a login within this time.
constexpr Millis kLateAnswer{30'000};
// Then the order of the list holds again: the first may be the preferred one.
constexpr Millis kPutOff{300'000};

using Answers = std::map<std::string, Result<std::vector<std::string>>>;

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> items;
  for (;;) {
    const std::size_t comma = list.find(',');
    items.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    list.remove_prefix(comma + 1);
  }
}

bool IsName(const std::string& host) {
  in_addr v4{};
  const bool is_socket = host.empty() || host.front() == '/' || host.front() == '@';
  const bool is_v6 = host.find(':') != std::string::npos;
  return !is_socket && !is_v6 && ::inet_pton(AF_INET, host.c_str(), &v4) != 1;
}

template <class L>  // Login, const or not
auto* Find(L& login, std::string_view key) {
  for (auto& [name, value] : login.parameters) {
    if (name == key && !value.empty()) return &value;
  }
  return static_cast<decltype(&login.parameters.front().second)>(nullptr);
}

std::vector<std::string> List(const Login& login, std::string_view key) {
  const std::string* const text = Find(login, key);
  return text ? Split(*text) : std::vector<std::string>();
}

// libpq's lists, where a host that has several addresses stands once for each.
struct Lists {
  std::string hosts, addresses, ports;

  void Add(const std::string& host, const std::string& address, const std::string& port) {
    const char* const comma = count_++ == 0 ? "" : ",";
    hosts += comma + host;
    addresses += comma + address;
    ports += comma + port;
  }
  bool empty() const { return count_ == 0; }

 private:
  std::size_t count_ = 0;
};

void Set(Login& login, const char* key, std::string value) {
  if (std::string* const found = Find(login, key)) {
    *found = std::move(value);
  } else {
    login.parameters.emplace_back(key, std::move(value));
  }
}

// What libpq takes where the login names no host: its service's, PGHOST's, PGSERVICE's. It resolves
// all parameters before it refuses an sslmode that is none, and goes nowhere.
void TakeDefaults(Login& login) {
  std::vector<const char*> keys, values;
  const auto add = [&](const char* key, const char* value) {
    keys.push_back(key);
    values.push_back(value);
  };
  for (const auto& [key, value] : login.parameters) {
    if (key != "sslmode") add(key.c_str(), value.c_str());
  }
  add("sslmode", "-");
  add(nullptr, nullptr);
  const std::unique_ptr<PGconn, void (*)(PGconn*)> refused(
      PQconnectStartParams(keys.data(), values.data(), /*expand_dbname=*/0), &PQfinish);
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfo(refused.get()), &PQconninfoFree);
  const PQconninfoOption* option = options.get();
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    const std::string_view key = option->keyword;
    const bool place = key == "host" || key == "hostaddr" || key == "port";
    if (place && option->val != nullptr && Find(login, key) == nullptr) {
      Set(login, option->keyword, option->val);
    }
  }
}

// A name without an address is left out, as libpq passes over it, while there are others.
Result<> Spread(const std::vector<std::string>& hosts, const Answers& answers, Login& login) {
  const std::vector<std::string> ports = List(login, "port");
  if (ports.size() > 1 && ports.size() != hosts.size()) return {};  // libpq says what is wrong
  Lists lists;
  std::optional<Error> error;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::string port = ports.size() > 1 ? ports[i] : std::string();
    const auto answer = answers.find(hosts[i]);
    if (answer == answers.end()) {
      lists.Add(hosts[i], "", port);
    } else if (!answer->second) {
      error = answer->second.error();
    } else {
      for (const std::string& address : *answer->second) lists.Add(hosts[i], address, port);
    }
  }
  if (lists.empty()) return Fail(std::move(*error));
  Set(login, "host", std::move(lists.hosts));
  Set(login, "hostaddr", std::move(lists.addresses));
  if (ports.size() > 1) Set(login, "port", std::move(lists.ports));
  return {};
}

}  // namespace

Result<std::vector<std::string>> SystemLookup(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failure = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, [](addrinfo* l) {
    if (l != nullptr) ::freeaddrinfo(l);
  });
  std::vector<std::string> addresses;
  for (const addrinfo* found = failure == 0 ? list : nullptr; found; found = found->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  if (!addresses.empty()) return addresses;
  return Fail(Errc::kUnavailable, "could not translate host name \"" + name +
                                      "\" to address: " + ::gai_strerror(failure));
}

struct HostAddresses::Shared {
  explicit Shared(Lookup l) : lookup(std::move(l)) {}

  const Lookup lookup;
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  bool asking = false;
  std::vector<std::string> names;  // of the question that is asked, or was last
  std::optional<Answers> answers;  // nobody has taken them yet
  Mono asked_at{};
  std::vector<std::pair<std::string, Mono>> put_off;  // the latest last

  static Result<> Ask(const std::shared_ptr<Shared>& shared, std::vector<std::string> names,
                      Mono now);
  void Answer();
};

void HostAddresses::Shared::Answer() {
  std::vector<std::string> asked;
  {
    const std::scoped_lock lock(mutex);
    asked = names;
  }
  Answers found;
  for (const std::string& name : asked) {
    if (!found.contains(name)) found.emplace(name, lookup(name));
  }
  const std::scoped_lock lock(mutex);
  answers = std::move(found);
  asking = false;
  changed.notify_all();
}

// The mutex is held.
Result<> HostAddresses::Shared::Ask(const std::shared_ptr<Shared>& shared,
                                    std::vector<std::string> names, Mono now) {
  shared->names = std::move(names);
  shared->answers.reset();
  shared->asked_at = now;
  try {
    std::thread([shared] {
      ::pthread_setname_np(::pthread_self(), "host-lookup");
      shared->Answer();
    }).detach();
  } catch (const std::system_error&) {
    return Fail(Errc::kLimit, "no thread to look up a host name with");
  }
  shared->asking = true;
  return {};
}

HostAddresses::HostAddresses(Lookup lookup)
    : shared_(std::make_shared<Shared>(std::move(lookup))) {}

Result<> HostAddresses::Fill(const Scrape& scrape, Mono until, Login& login) {
  if (auto looked = Look(scrape, until, login); !looked) return looked;
  PutLast(scrape.clock().mono(), login);
  return {};
}

void HostAddresses::PutOff(std::string place, Mono now) {
  constexpr std::size_t kMost = 100;
  const std::scoped_lock lock(shared_->mutex);
  auto& put_off = shared_->put_off;
  std::erase_if(put_off, [&](const auto& item) {
    return item.first == place || now - item.second >= kPutOff;
  });
  if (put_off.size() == kMost) put_off.erase(put_off.begin());
  put_off.emplace_back(std::move(place), now);
}

std::size_t HostAddresses::Count(const Login& login) {
  return std::max({List(login, "host").size(), List(login, "hostaddr").size(), std::size_t{1}});
}

void HostAddresses::PutLast(Mono now, Login& login) {
  const std::size_t count = Count(login);
  const auto hosts = List(login, "host"), addresses = List(login, "hostaddr"),
             ports = List(login, "port");
  const auto fits = [count](const auto& list, std::size_t least) {
    return list.size() == count || list.size() <= least;
  };
  // What does not fit is libpq's to refuse.
  if (count == 1 || !fits(hosts, 0) || !fits(addresses, 0) || !fits(ports, 1)) return;
  const std::scoped_lock lock(shared_->mutex);
  const auto turn = [&](std::size_t i) -> std::size_t {
    const bool named = !addresses.empty() && !addresses[i].empty();
    const std::string begin = (named ? addresses[i] : hosts.empty() ? "" : hosts[i]) + " ";
    const std::string port = ports.empty() ? "" : ports.size() == 1 ? ports[0] : ports[i];
    for (std::size_t at = 0; at < shared_->put_off.size(); ++at) {
      const auto& [place, since] = shared_->put_off[at];
      const bool same = port.empty() ? place.starts_with(begin) : place == begin + port;
      if (same && now - since < kPutOff) return at + 1;
    }
    return 0;
  };
  std::vector<std::pair<std::size_t, std::size_t>> order;  // turn, number
  for (std::size_t i = 0; i < count; ++i) order.emplace_back(turn(i), i);
  std::ranges::sort(order);
  const auto arrange = [&](const char* key, const std::vector<std::string>& list) {
    if (list.size() != count) return;
    std::string text;
    for (const auto& [unused, i] : order) text += list[i] + ",";
    text.pop_back();
    Set(login, key, std::move(text));
  };
  arrange("host", hosts);
  arrange("hostaddr", addresses);
  arrange("port", ports);
}

Result<> HostAddresses::Look(const Scrape& scrape, Mono until, Login& login) {
  if (Find(login, "host") == nullptr) TakeDefaults(login);
  if (Find(login, "hostaddr") != nullptr) return {};
  const std::vector<std::string> hosts = List(login, "host");
  std::vector<std::string> names;
  std::ranges::copy_if(hosts, std::back_inserter(names), IsName);
  if (names.empty()) return {};

  const std::stop_callback wake(scrape.stop(), [this] {
    const std::scoped_lock lock(shared_->mutex);
    shared_->changed.notify_all();
  });
  std::unique_lock lock(shared_->mutex);
  bool ours = false;
  for (;;) {
    const Mono now = scrape.clock().mono();
    const bool same = shared_->names == names && (ours || now - shared_->asked_at < kLateAnswer);
    if (shared_->answers && same) break;
    if (!shared_->asking) {
      if (auto asked = Shared::Ask(shared_, names, now); !asked) return asked;
      ours = true;
    }
    const Mono end = std::min(until, now + Millis(scrape.LeftMs()));
    if (now >= end || scrape.stop().stop_requested()) {
      return Fail(Errc::kUnavailable, "no answer yet to where host \"" + names.front() + "\" is");
    }
    scrape.clock().WaitUntil(lock, shared_->changed, end);
  }
  const Answers answers = std::move(*shared_->answers);
  shared_->answers.reset();
  lock.unlock();
  return Spread(hosts, answers, login);
}

}  // namespace sidecar::postgres
