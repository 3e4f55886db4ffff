#pragma once
// How to reach the server: [postgres] dsn or its fields, or postgres_exporter's environment.
// Secrets are read anew for every login, so that a rotation needs no reload; no error repeats one.
// What libpq reads itself (PGPASSFILE, service files, PG* variables) works as everywhere. Conninfo
// is immutable and thread-safe.
//
//   ConnectOptions options;
//   options.Read(table, [](const char* name) { return std::getenv(name); });
//   auto login = Conninfo(options).Resolve("");

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/config/table_reader.h"

namespace sidecar::postgres {

using Getenv = std::function<const char*(const char*)>;

struct ConnectOptions {
  std::string dsn;  // a URI or keywords and values
  // Each overrides what the DSN says.
  std::string host, user, dbname, sslmode, sslrootcert, sslcert, sslkey, passfile, service;
  std::int64_t port = 0;
  Secret password{};
  std::string application_name = "postgres-exporter";
  Millis connect_timeout{3'000};
  Millis lock_timeout{200};
  Millis session_max_age{3'600'000};
  std::int64_t max_connections = 4;
  Millis login_probe_interval{60'000};
  Millis refresh_interval{60'000};  // of facts, and of the list of databases
  bool gss_elsewhere = false;       // PGGSSENCMODE, or a service's, which libpq reads
  // DATA_SOURCE_URI, _USER and _PASS and their _FILE forms, where the table says nothing.
  Secret environment_uri{}, environment_user{};

  // Rejects what is no connection string, offline.
  void Read(TableReader& postgres, const Getenv& getenv);

 private:
  void ReadEnvironment(TableReader& postgres, const Getenv& getenv);
};

// What one login is made with. Not to be shown: it holds the password.
struct Login {
  std::vector<std::pair<std::string, std::string>> parameters;  // as PQconnectStartParams has them
  std::string password;                                         // "": not ours to know
};

class Conninfo {
 public:
  explicit Conninfo(ConnectOptions options) : options_(std::move(options)) {}

  // `database` replaces the configured one unless it is empty. kConfig, or why a secret cannot be
  // read.
  Result<Login> Resolve(std::string_view database) const;
  const ConnectOptions& options() const { return options_; }

 private:
  ConnectOptions options_;
};

// The parameters of a DSN. The error says what is wrong without repeating any of it: libpq's own
// message quotes what it stumbled over, which may be a piece of a password.
Result<std::vector<std::pair<std::string, std::string>>> ParseDsn(const std::string& dsn);

// libpq's text as one line of ours, with `secret` left out.
std::string Redacted(std::string_view text, std::string_view secret);

}  // namespace sidecar::postgres
