#pragma once
// How to reach the frontend: address, TLS, credentials, headers. Secrets are places; whoever
// connects reads them anew.
//
//   ConnectionOptions options;
//   options.Read(table);           // [temporal]

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/secret.h"
#include "common/config/table_reader.h"

namespace sidecar::temporal {

struct ConnectionOptions {
  std::string address = "127.0.0.1:7233";  // host:port, or a gRPC target with its scheme

  struct Tls {
    bool enabled = false;
    std::string ca_file{};                // empty: the system's
    std::string cert_file{}, key_file{};  // of a client: mTLS
    std::string server_name{};            // in the certificate, where the address says another
  } tls{};

  Secret api_key{};
  // A key over a connection that anybody can read: only where asked for.
  bool api_key_over_plaintext = false;
  struct Header {
    std::string name, value{};
    Secret secret{};  // instead of the value
  };
  std::vector<Header> headers{};

  std::int64_t max_message_bytes = std::int64_t{64} << 20U;

  // Of no configuration. A ping after so long without a byte from the server (it forbids more than
  // one every 10 s), and how long it has to answer: a connection that has gone silent is given up.
  Millis keepalive{30'000}, keepalive_timeout{15'000};

  void Read(TableReader& table);
  std::string Target() const;  // "dns:///127.0.0.1:7233"
  // What a channel depends on, as text: it is kept over a reload that does not change it.
  std::string Key() const;
};

}  // namespace sidecar::temporal
