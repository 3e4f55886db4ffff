#pragma once
// The addresses of a login's host names, asked for on a thread of its own: getaddrinfo(3) takes the
// time that the name servers take (resolv.conf(5): 5 s for each try of each), and no deadline ends
// it. libpq would call it in the middle of PQconnectPoll. One question at a time; one that nobody
// waits for any more goes on, and its answer serves the next login to the same names. Thread-safe;
// the destructor leaves the thread behind, which owns what it touches.
//
//   HostAddresses addresses;
//   if (auto filled = addresses.Fill(scrape, until, login); !filled) return filled;
//   PQconnectStartParams(...)   // has hostaddr now, and looks up nothing

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/collect/scrape.h"
#include "exporters/postgres/conninfo.h"

namespace sidecar::postgres {

// kUnavailable: there is no such name, or nobody who knows.
using Lookup = std::function<Result<std::vector<std::string>>(const std::string& name)>;
Result<std::vector<std::string>> SystemLookup(const std::string& name);

class HostAddresses {
 public:
  explicit HostAddresses(Lookup lookup = SystemLookup);

  // Adds `hostaddr`, and repeats a host that has several; those that were put off come last. What
  // names no host (addresses, sockets) is not asked for; a service's and PGHOST's hosts are.
  // kUnavailable: no answer by then, or none that helps. kLimit: no thread to ask with.
  Result<> Fill(const Scrape& scrape, Mono until, Login& login);
  // "10.0.0.1 5432" does not answer: libpq, which has no time limit for one address, is to try the
  // others first for some minutes.
  void PutOff(std::string place, Mono now);
  // How many places a login may try.
  static std::size_t Count(const Login& login);

 private:
  struct Shared;
  Result<> Look(const Scrape& scrape, Mono until, Login& login);
  void PutLast(Mono now, Login& login);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace sidecar::postgres
