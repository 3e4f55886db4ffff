#include "exporters/postgres/conninfo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "common/config/document.h"

namespace sidecar::postgres {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using Environment = std::map<std::string, std::string>;

struct Read {
  Result<> result;
  ConnectOptions options;
  std::string printed;
};

Read ReadToml(const std::string& text, Environment environment = {}) {
  auto document = Document::Parse("[postgres]\n" + text, "test.toml");
  EXPECT_TRUE(document);
  TableReader root = document->Root();
  ConnectOptions options;
  TableReader table = root.Table("postgres");
  options.Read(table, [&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
  Result<> result = root.Finish();
  return {std::move(result), std::move(options), document->Print()};
}

auto Parameters(const ConnectOptions& options, std::string_view database = "") {
  auto login = Conninfo(options).Resolve(database);
  EXPECT_TRUE(login) << login.error().message;
  return login ? login->parameters : decltype(login->parameters){};
}

class SecretFile {
 public:
  explicit SecretFile(const std::string& text) { Write(text); }
  ~SecretFile() { std::remove(path_.c_str()); }
  void Write(const std::string& text) const { std::ofstream(path_) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "conninfo_test_secret." + std::to_string(::getpid());
};

TEST(ConninfoTest, TakesAUriAndKeywordsAndFields) {
  for (const char* const text :
       {"dsn = 'postgresql://monitor@db:5433/orders?sslmode=disable'",
        "dsn = 'host=db port=5433 user=monitor dbname=orders sslmode=disable'",
        "host='db'\nport=5433\nuser='monitor'\ndbname='orders'\nsslmode='disable'"}) {
    const Read read = ReadToml(text);
    ASSERT_TRUE(read.result) << read.result.error().message;
    const auto parameters = Parameters(read.options);
    EXPECT_THAT(parameters, Contains(Pair("host", "db"))) << text;
    EXPECT_THAT(parameters, Contains(Pair("port", "5433"))) << text;
    EXPECT_THAT(parameters, Contains(Pair("user", "monitor"))) << text;
    EXPECT_THAT(parameters, Contains(Pair("dbname", "orders"))) << text;
    EXPECT_THAT(parameters, Contains(Pair("sslmode", "disable"))) << text;
    EXPECT_THAT(parameters, Contains(Pair("application_name", "postgres-exporter"))) << text;
  }
}

TEST(ConninfoTest, LetsAFieldOverrideTheDsnAndADatabaseBoth) {
  const Read read = ReadToml("dsn = 'host=db dbname=a application_name=own'\ndbname = 'b'");
  EXPECT_THAT(Parameters(read.options), Contains(Pair("dbname", "b")));
  EXPECT_THAT(Parameters(read.options, "c"), Contains(Pair("dbname", "c")));
  EXPECT_THAT(Parameters(read.options), Contains(Pair("application_name", "own")));
  const Read host = ReadToml("dsn = 'host=db hostaddr=10.0.0.1'\nhost = 'other'");
  EXPECT_THAT(Parameters(host.options), Contains(Pair("host", "other")));
  EXPECT_THAT(Parameters(host.options), Not(Contains(Pair("hostaddr", "10.0.0.1"))));
}

TEST(ConninfoTest, TakesTheTimeOfALoginFromDsnOrEnvironmentWhereNoFieldHasIt) {
  EXPECT_EQ(ReadToml("dsn = 'host=db connect_timeout=7'").options.connect_timeout, Millis(7'000));
  EXPECT_EQ(ReadToml("dsn = 'host=db connect_timeout=0'").options.connect_timeout, Millis(3'000));
  EXPECT_EQ(ReadToml("dsn = 'host=db connect_timeout=9999'").options.connect_timeout,
            Millis(60'000));
  EXPECT_EQ(
      ReadToml("dsn = 'host=db connect_timeout=7'\nconnect_timeout = '2s'").options.connect_timeout,
      Millis(2'000));
  const Environment environment{{"PGCONNECT_TIMEOUT", "9"}};
  EXPECT_EQ(ReadToml("", environment).options.connect_timeout, Millis(9'000));
  EXPECT_EQ(ReadToml("dsn = 'host=db connect_timeout=7'", environment).options.connect_timeout,
            Millis(7'000));
  EXPECT_EQ(ReadToml("", {{"PGCONNECT_TIMEOUT", "soon"}}).options.connect_timeout, Millis(3'000));
}

TEST(ConninfoTest, AsksForUtf8UnlessTheDsnSaysOtherwise) {
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db'").options),
              Contains(Pair("client_encoding", "UTF8")));
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db client_encoding=LATIN1'").options),
              Contains(Pair("client_encoding", "UTF8")))
      << "labels are UTF-8";
}

TEST(ConninfoTest, LooksForNoKerberosTicketsUnlessSomebodySaysSo) {
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db'").options),
              Contains(Pair("gssencmode", "disable")));
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db gssencmode=prefer'").options),
              Contains(Pair("gssencmode", "prefer")));
  const auto nobody = Not(Contains(Pair("gssencmode", testing::_)));
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db'", {{"PGGSSENCMODE", "require"}}).options),
              nobody);
  EXPECT_THAT(Parameters(ReadToml("dsn = 'host=db'", {{"PGSERVICE", "x"}}).options), nobody);
  EXPECT_THAT(Parameters(ReadToml("service = 'x'").options), nobody);
}

TEST(ConninfoTest, NeverTakesADatabasesNameForAConnectionString) {
  const Read read = ReadToml("dsn = 'host=db'");
  EXPECT_THAT(Parameters(read.options, "host=evil"), Contains(Pair("dbname", "host=evil")));
  EXPECT_THAT(Parameters(read.options, "host=evil"), Contains(Pair("host", "db")));
}

TEST(ConninfoTest, ReadsThePasswordAnewForEveryLogin) {
  const SecretFile file("first\n");
  const Read read = ReadToml("dsn = 'host=db'\npassword_file = '" + file.path() + "'");
  EXPECT_THAT(Parameters(read.options), Contains(Pair("password", "first")));
  file.Write("sec'ond \"with\" %20\n");
  EXPECT_THAT(Parameters(read.options), Contains(Pair("password", "sec'ond \"with\" %20")));
}

TEST(ConninfoTest, SaysThatASecretCannotBeReadButNotWhatItWas) {
  const Read read = ReadToml("dsn = 'host=db'\npassword_file = '/nowhere/at/all'");
  const auto login = Conninfo(read.options).Resolve("");
  ASSERT_FALSE(login);
  EXPECT_THAT(login.error().message, HasSubstr("/nowhere/at/all"));
}

TEST(ConninfoTest, FollowsPostgresExportersEnvironment) {
  Read read = ReadToml("", {{"DATA_SOURCE_NAME", "postgresql://u@db/x"}});
  EXPECT_THAT(Parameters(read.options), Contains(Pair("host", "db")));
  const SecretFile pass("p%40ss word\n");
  ::setenv("DATA_SOURCE_URI", "db:5433/x?sslmode=disable", 1);
  ::setenv("DATA_SOURCE_USER", "us er", 1);
  read = ReadToml("", {{"DATA_SOURCE_URI", "set"},
                       {"DATA_SOURCE_USER", "set"},
                       {"DATA_SOURCE_PASS_FILE", pass.path()}});
  const auto parameters = Parameters(read.options);
  EXPECT_THAT(parameters, Contains(Pair("host", "db")));
  EXPECT_THAT(parameters, Contains(Pair("port", "5433")));
  EXPECT_THAT(parameters, Contains(Pair("user", "us er")));
  EXPECT_THAT(parameters, Contains(Pair("password", "p%40ss word")));
  ::unsetenv("DATA_SOURCE_URI");
  ::unsetenv("DATA_SOURCE_USER");
}

TEST(ConninfoTest, TakesAnEmptyUriForNoServerAtAll) {
  const SecretFile uri("\n");
  const auto login =
      Conninfo(ReadToml("", {{"DATA_SOURCE_URI_FILE", uri.path()}}).options).Resolve("");
  ASSERT_FALSE(login) << "libpq would go to the local socket";
  EXPECT_EQ(login.error().message, "DATA_SOURCE_URI: it is empty");
}

TEST(ConninfoTest, LooksAtTheEnvironmentOnlyWhereTheConfigurationNamesNoServer) {
  const Read read = ReadToml("host = 'mine'", {{"DATA_SOURCE_NAME", "host=theirs"}});
  EXPECT_THAT(Parameters(read.options), Contains(Pair("host", "mine")));
}

TEST(ConninfoTest, RefusesWhatIsNoConnectionStringWithoutRepeatingIt) {
  for (const char* const dsn :
       {"hunter2", "password='hunter2", "password=x hunter2", "hunter2=x",
        "postgresql://u:hunter2%zz@db/x", "postgresql://u:p@[hunter2", "postgresql://db/x?hunter2",
        "postgresql://db/x?hunter2=1", "postgresql://db/x?sslmode=a=hunter2",
        "postgres://u:pa/hunter2@h", "postgres://u:p@hunter2@h"}) {
    const auto parsed = ParseDsn(dsn);
    ASSERT_FALSE(parsed) << dsn;
    EXPECT_EQ(parsed.error().code, Errc::kConfig);
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("hunter2"))) << dsn;
    EXPECT_NE(parsed.error().message, "libpq does not understand it") << dsn;
  }
}

TEST(ConninfoTest, PrintsADsnWithoutItsPassword) {
  for (const char* const dsn : {"postgresql://u:hunter2@db/x", "host=db password=hunter2"}) {
    const Read read = ReadToml("dsn = '" + std::string(dsn) + "'");
    ASSERT_TRUE(read.result);
    EXPECT_THAT(read.printed, Not(HasSubstr("hunter2")));
    EXPECT_THAT(Parameters(read.options), Contains(Pair("password", "hunter2")));
  }
}

TEST(ConninfoTest, PointsAtAFaultyDsnAndAtSeveralServers) {
  Read read = ReadToml("dsn = 'host db'");
  ASSERT_FALSE(read.result);
  EXPECT_THAT(read.result.error().message, HasSubstr("test.toml:2"));
  EXPECT_THAT(read.result.error().message, HasSubstr("\"=\" is missing"));
  read = ReadToml("dsn = 'postgresql://a/x,postgresql://b/y'");
  ASSERT_FALSE(read.result);
  EXPECT_THAT(read.result.error().message, HasSubstr("one server only"));
  read = ReadToml("dsn = 'host=a port=1 dbname=d,host=b port=2 dbname=d'");
  ASSERT_FALSE(read.result);
  EXPECT_THAT(read.result.error().message, HasSubstr("one server only"));
  EXPECT_TRUE(ReadToml("dsn = 'host=a,b port=1,2 dbname=d'").result);
  EXPECT_TRUE(ReadToml("dsn = 'host=a password=x,host=y'").result) << "it is in the password";
  EXPECT_TRUE(ReadToml("dsn = 'postgresql://u:x,user=y@a/d'").result);
  EXPECT_FALSE(ReadToml("dsn = 'host=a password=x,host=b password=y'").result);
}

TEST(ConninfoTest, RefusesABudgetThatItsLanesDoNotFitInto) {
  const Read read = ReadToml("max_connections = 3\nconnect_timeout = '1ms'");
  ASSERT_FALSE(read.result);
  EXPECT_THAT(read.result.error().message, HasSubstr("max_connections"));
  EXPECT_THAT(read.result.error().message, HasSubstr("too short"));
}

TEST(ConninfoTest, RedactsASecretWhereverItStands) {
  EXPECT_EQ(Redacted("a hunter2 b hunter2\nc\thunter2\n", "hunter2"), "a *** b ***; c ***");
  EXPECT_EQ(Redacted("nothing\n", ""), "nothing");
  EXPECT_EQ(Redacted("a b", "a"), "a b") << "too short to be told from other text";
}

}  // namespace
}  // namespace sidecar::postgres
