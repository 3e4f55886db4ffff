#include "exporters/postgres/conninfo.h"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "common/base/parse.h"

namespace sidecar::postgres {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

constexpr int kLongestTimeout = 60;

void Set(Parameters& parameters, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  const auto found = std::ranges::find(parameters, key, [](const auto& p) { return p.first; });
  if (found != parameters.end()) {
    found->second = value;
  } else {
    parameters.emplace_back(key, value);
  }
}

void SetDefault(Parameters& parameters, std::string_view key, std::string_view value) {
  const auto found = std::ranges::find(parameters, key, [](const auto& p) { return p.first; });
  if (found == parameters.end()) parameters.emplace_back(key, value);
}

std::string_view Find(const Parameters& parameters, std::string_view key) {
  const auto found = std::ranges::find(parameters, key, [](const auto& p) { return p.first; });
  return found == parameters.end() ? std::string_view() : found->second;
}

// Which of libpq's complaints it is, by how they begin (fe-connect.c, 12 to 18).
std::string Complaint(std::string_view message) {
  constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"missing \"=\"", "an \"=\" is missing after a keyword"},
      {"unterminated quoted string", "a quoted string is not closed"},
      {"invalid connection option", "a keyword is unknown to libpq"},
      {"invalid URI query parameter", "a parameter of the URI is unknown to libpq"},
      {"invalid percent-encoded token", "a percent sign of the URI begins no valid escape"},
      {"forbidden value %00", "the URI holds %00"},
      {"end of string reached when looking for matching \"]\"", "a \"[\" of the URI is not closed"},
      {"IPv6 host address may not be empty", "the URI's IPv6 address is empty"},
      {"unexpected character", "the URI has an unexpected character"},
      {"missing key/value separator", "a parameter of the URI has no \"=\""},
      {"extra key/value separator", "a parameter of the URI has two \"=\""},
      {"definition of service", "the service is not defined"},
      {"service file", "the service file is missing or faulty"},
  };
  for (const auto& [begins, says] : kKnown) {
    if (message.starts_with(begins)) return std::string(says);
  }
  return "libpq does not understand it";
}

// What libpq accepts and complains of, with the value, at a login only: the '/' or the '@' of a
// password in a URI that is not escaped makes a port or a host of a part of it.
std::string Misread(std::string_view key, std::string_view value) {
  if (key == "port" && value.find_first_not_of("0123456789, ") != std::string_view::npos) {
    return "its port is no number; in a URI, a password's \"/\" is written %2F";
  }
  for (std::size_t begin = 0; key == "host" && begin < value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    const std::string_view host = value.substr(begin, end - begin);
    if (!host.starts_with('/') && host.find('@', 1) != std::string_view::npos) {
      return "its host holds an \"@\"; in a URI, a password's is written %40";
    }
    begin = end + 1;
  }
  return {};
}

// postgres_exporter's list. What stands in the password is no server.
bool IsSeveral(std::string_view dsn, std::string_view password) {
  for (std::size_t comma = dsn.find(','); comma != std::string_view::npos;
       comma = dsn.find(',', comma + 1)) {
    const std::string_view rest = dsn.substr(comma);
    for (const std::string_view begins : {",postgres://", ",postgresql://", ",host=", ",user="}) {
      if (rest.starts_with(begins) && password.find(begins) == std::string_view::npos) return true;
    }
  }
  return false;
}

std::string FromUri(const std::string& uri) {
  const bool whole = uri.starts_with("postgres://") || uri.starts_with("postgresql://");
  return whole ? uri : "postgresql://" + uri;
}

}  // namespace

Result<Parameters> ParseDsn(const std::string& dsn) {
  if (dsn.find('\0') != std::string::npos) return Fail(Errc::kConfig, "it holds a NUL byte");
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(dsn.c_str(), &message), &PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> owned(message, &PQfreemem);
  if (!parsed) return Fail(Errc::kConfig, Complaint(message == nullptr ? "" : message));
  Parameters parameters;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string why = Misread(option->keyword, option->val); !why.empty()) {
      return Fail(Errc::kConfig, std::move(why));
    }
    parameters.emplace_back(option->keyword, option->val);
  }
  return parameters;
}

std::string Redacted(std::string_view text, std::string_view secret) {
  constexpr std::size_t kShortest = 3;  // a shorter one would tear every message apart
  std::string line;
  while (!text.empty()) {
    if (secret.size() >= kShortest && text.starts_with(secret)) {
      line += "***";
      text.remove_prefix(secret.size());
    } else {
      const char c = text.front();
      text.remove_prefix(1);
      if (c != '\n') {
        line += c == '\t' ? ' ' : c;
      } else if (!text.empty()) {
        line += "; ";
      }
    }
  }
  return line;
}

void ConnectOptions::Read(TableReader& postgres, const Getenv& getenv) {
  postgres.Field("dsn", dsn, "Where the server is: a URI or libpq's keywords and values.")
      .Field("host", host, "Host, address or the directory of a socket; over the DSN's.")
      .Field("port", port, "Port; 0 is the DSN's or libpq's.", 0, 65'535)
      .Field("user", user, "Role to log in as.")
      .Field("password", password, "The role's password.")
      .Field("dbname", dbname, "Database of the queries that are run once per server.")
      .Field("sslmode", sslmode,
             "As libpq has it: disable, prefer, require, verify-ca, verify-full.")
      .Field("sslrootcert", sslrootcert, "File with the certificates to trust.")
      .Field("sslcert", sslcert, "File with the client's certificate.")
      .Field("sslkey", sslkey, "File with the client's key.")
      .Field("passfile", passfile, "File with passwords, as PGPASSFILE.")
      .Field("service", service, "Name in libpq's service file.")
      .Field("application_name", application_name, "What pg_stat_activity shows.")
      .Field("connect_timeout", connect_timeout, "How long a login's answer is waited for.")
      .Field("lock_timeout", lock_timeout, "How long a statement waits for a lock.")
      .Field("session_max_age", session_max_age, "Sessions are made anew after it; 0: never.")
      .Field("max_connections", max_connections, "Connections at most, all together.", 4, 100)
      .Field("login_probe_interval", login_probe_interval,
             "How long pg_login_up may rest on the last login.")
      .Field("refresh_interval", refresh_interval,
             "How often version, role, extensions, privileges and the list of databases are read.");
  const auto positive = [&](std::string_view key, Millis value, Millis least) {
    if (value < least) postgres.Reject(key, "too short");
  };
  positive("connect_timeout", connect_timeout, Millis(10));
  positive("lock_timeout", lock_timeout, Millis(1));
  positive("session_max_age", session_max_age, Millis(0));
  positive("login_probe_interval", login_probe_interval, Millis(1'000));
  positive("refresh_interval", refresh_interval, Millis(1'000));
  gss_elsewhere = getenv("PGGSSENCMODE") != nullptr || getenv("PGSERVICE") != nullptr;
  ReadEnvironment(postgres, getenv);
  const auto parsed = ParseDsn(dsn);
  if (!parsed) {
    postgres.Reject("dsn", "no connection string: " + parsed.error().message);
  } else if (!postgres.Has("connect_timeout")) {
    // libpq minds it where it blocks, which it never does here. 0 is no end, which there always is.
    std::string_view text = Find(*parsed, "connect_timeout");
    const char* const environment = getenv("PGCONNECT_TIMEOUT");
    if (text.empty() && environment != nullptr && !postgres.describing()) text = environment;
    const int seconds = ParseNumber<int>(text).value_or(0);
    if (seconds > 0) connect_timeout = std::chrono::seconds(std::min(seconds, kLongestTimeout));
  }
  if (IsSeveral(dsn, parsed ? Find(*parsed, "password") : std::string_view())) {
    postgres.Reject("dsn", "one server only: run an exporter beside each");
  }
}

// postgres_exporter's variables, where the configuration names no server.
void ConnectOptions::ReadEnvironment(TableReader& postgres, const Getenv& getenv) {
  const bool named = !dsn.empty() || !host.empty() || !service.empty();
  if (named || postgres.describing()) return;
  const auto given = [&](const char* name) {
    const char* const value = getenv(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
  };
  if (const char* const name = given("DATA_SOURCE_NAME")) {
    dsn = name;
    return;
  }
  const auto place = [&](const char* file, const char* variable) {
    if (const char* const path = given(file)) return Secret::File(path);
    return given(variable) != nullptr ? Secret::Environment(variable) : Secret();
  };
  environment_uri = place("DATA_SOURCE_URI_FILE", "DATA_SOURCE_URI");
  if (!environment_uri) return;
  environment_user = place("DATA_SOURCE_USER_FILE", "DATA_SOURCE_USER");
  if (!password) password = place("DATA_SOURCE_PASS_FILE", "DATA_SOURCE_PASS");
}

Result<Login> Conninfo::Resolve(std::string_view database) const {
  const ConnectOptions& o = options_;
  std::string dsn = o.dsn;
  if (o.environment_uri) {
    auto uri = o.environment_uri.Read();
    if (!uri) return Fail(std::move(uri.error()).Wrap("DATA_SOURCE_URI"));
    if (uri->empty()) return Fail(Errc::kConfig, "DATA_SOURCE_URI: it is empty");
    dsn = FromUri(*uri);
  }
  auto parsed = ParseDsn(dsn);
  if (!parsed) return Fail(std::move(parsed.error()).Wrap("connection string"));
  Login login{std::move(*parsed), {}};
  Parameters& parameters = login.parameters;
  if (o.environment_user) {
    auto user_text = o.environment_user.Read();
    if (!user_text) return Fail(std::move(user_text.error()).Wrap("DATA_SOURCE_USER"));
    Set(parameters, "user", *user_text);
  }
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"host", o.host},       {"user", o.user},         {"dbname", o.dbname},
      {"sslmode", o.sslmode}, {"sslcert", o.sslcert},   {"sslrootcert", o.sslrootcert},
      {"sslkey", o.sslkey},   {"passfile", o.passfile}, {"service", o.service}};
  for (const auto& [key, value] : fields) Set(parameters, key, value);
  // libpq goes to the address and takes the host for its name only.
  if (!o.host.empty()) {
    std::erase_if(parameters, [](const auto& given) { return given.first == "hostaddr"; });
  }
  if (o.port != 0) Set(parameters, "port", std::to_string(o.port));
  if (o.password) {
    auto secret = o.password.Read();
    if (!secret) return Fail(std::move(secret.error()).Wrap("password"));
    Set(parameters, "password", *secret);
  }
  Set(parameters, "dbname", database);
  SetDefault(parameters, "application_name", o.application_name);
  // Else names come in the encoding of their database, or of who has written the DSN.
  Set(parameters, "client_encoding", "UTF8");
  // Else libpq looks for Kerberos tickets at every login, a sixth of what one costs us, to encrypt
  // with them; postgres_exporter cannot. A server that lets in by Kerberos does so all the same.
  if (!o.gss_elsewhere && Find(parameters, "service").empty()) {
    SetDefault(parameters, "gssencmode", "disable");
  }
  // No `options`: pgbouncer refuses it (1.18 and 1.26).
  login.password = Find(parameters, "password");
  return login;
}

}  // namespace sidecar::postgres
