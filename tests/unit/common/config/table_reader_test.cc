#include "common/config/table_reader.h"

#include <gmock/gmock.h>

#include "tests/support/golden.h"
#include "tests/unit/common/config/options.h"

namespace sidecar {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FaultsOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Options;
using ::testing::StartsWith;

Options ReadAll(const Sources& sources) {
  Options options;
  auto document = Document::Load(sources);
  EXPECT_TRUE(document) << document.error().message;
  options.Read(document->Root());
  const auto read = document->Root().Finish();
  EXPECT_TRUE(read) << read.error().message;
  return options;
}

std::string Complaint(const Sources& sources) {
  auto document = Document::Load(sources);
  return document ? FaultsOf(*document) : document.error().message;
}

TEST(TableReader, PrintsEveryFaultOfMeaningAtOnceWithLineCaretAndSuggestion) {
  ExpectGolden(FaultsOf(R"([web]
max_connections = 70000

[host.collectors.cpu]
enabeld = true
timeout = 5
guest = "yes"

[hots]
listen = [":9100"]
)"),
               "config/faults.txt");
}

TEST(TableReader, PrintsASyntaxErrorOnceWithLineAndCaret) {
  ExpectGolden(FaultsOf("[log]\nlevel = \"info\"\n\n[host\nlisten = []\n"), "config/syntax.txt");
}

TEST(TableReader, PrintsADuplicateKeyWithBothLines) {
  ExpectGolden(FaultsOf("[log]\nlevel = \"info\"\n  level = \"warn\"\n"),
               "config/duplicate_key.txt");
}

TEST(TableReader, KeepsDefaultsWhenNothingIsGiven) {
  const Options options = ReadAll({});
  EXPECT_EQ(options.level, "info");
  EXPECT_EQ(options.max_connections, 64);
  EXPECT_EQ(options.timeout, milliseconds(5'000));
  EXPECT_THAT(options.listen, ElementsAre(":9100"));
  EXPECT_FALSE(options.password);
}

TEST(TableReader, ReadsEveryTypeFromAFile) {
  auto document = Document::Parse(R"(
log.level = "debug"
web = { max_connections = 1_000 }
host.listen = ["[::1]:1", ":2"]
[host.collectors]
cpu = { enabled = false, timeout = "1m30s" }
load-avg.ratio = 1
[postgres]
password_env = "PGPASSWORD"
[[postgres.queries]]
name = "a"
scale = -2.5e3
[[postgres.queries]]
name = "b"
)",
                                  "sidecar.toml");
  ASSERT_TRUE(document) << document.error().message;
  Options options;
  options.Read(document->Root());
  const auto read = document->Root().Finish();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(options.level, "debug");
  EXPECT_EQ(options.max_connections, 1'000);
  EXPECT_THAT(options.listen, ElementsAre("[::1]:1", ":2"));
  EXPECT_FALSE(options.cpu);
  EXPECT_EQ(options.timeout, milliseconds(90'000));
  EXPECT_EQ(options.ratio, 1.0);  // an integer where a number is wanted
  EXPECT_EQ(options.password.environment(), "PGPASSWORD");
  ASSERT_EQ(options.queries.size(), 2U);
  EXPECT_EQ(options.queries[0].scale, -2'500);
  EXPECT_EQ(options.queries[1].name, "b");
}

TEST(TableReader, ReadsATableWhoseKeysAreData) {
  const auto read = [](const char* text, std::map<std::string, double>& value) {
    auto document = Document::Parse(text, "map.toml");
    EXPECT_TRUE(document) << document.error().message;
    TableReader root = document->Root();
    root.Field("map", value, "Texts as numbers.");
    const auto finished = root.Finish();
    return finished ? document->Print() : finished.error().message;
  };
  std::map<std::string, double> value{{"old", 1}};
  EXPECT_THAT(read("map = { on = 1, \"half off\" = 0.5 }\n", value),
              HasSubstr("map = {\"half off\" = 0.5, on = 1"));
  EXPECT_THAT(value, ElementsAre(::testing::Pair("half off", 0.5), ::testing::Pair("on", 1)));
  EXPECT_THAT(read("map = { on = \"1\" }\n", value),
              HasSubstr("map.toml:1: 'map' must be a table of numbers; 'on' is a string"));
  EXPECT_THAT(read("map = [1]\n", value), HasSubstr("must be a table of numbers"));
  EXPECT_THAT(value, ::testing::SizeIs(2)) << "a fault leaves the value alone";
}

TEST(TableReader, TakesTheEnvironmentOverDefaultsAndFlagsOverTheEnvironment) {
  const Options options =
      ReadAll({.file = {},
               .dir = {},
               .environment = {{"SIDECAR_LOG_LEVEL", "warn"},
                               {"SIDECAR_HOST_LISTEN", ":1, :2"},
                               {"SIDECAR_HOST_COLLECTORS_LOAD_AVG_RATIO", "0.25"},
                               {"SIDECAR_HOST_COLLECTORS_CPU_TIMEOUT", "250ms"},
                               {"SIDECAR_WEB_MAX_CONNECTIONS", "7"}},
               .flags = {{"log.level", "error"}, {"collector.cpu", "false"}}});
  EXPECT_EQ(options.level, "error");
  EXPECT_THAT(options.listen, ElementsAre(":1", ":2"));
  EXPECT_EQ(options.ratio, 0.25);
  EXPECT_EQ(options.timeout, milliseconds(250));
  EXPECT_EQ(options.max_connections, 7);
  EXPECT_FALSE(options.cpu);
}

TEST(TableReader, TakesTheLastOfARepeatedFlagAndAllOfAListsInOrderAcrossAliases) {
  const Options options = ReadAll({.file = {},
                                   .dir = {},
                                   .environment = {{"SIDECAR_HOST_LISTEN", ":9"}},
                                   .flags = {{"collector.cpu", "true"},
                                             {"listen", ":1"},
                                             {"web.listen-address", ":2"},
                                             {"listen", ":3"},
                                             {"collector.cpu", "false"}}});
  EXPECT_THAT(options.listen, ElementsAre(":1", ":2", ":3"));
  EXPECT_FALSE(options.cpu);
}

TEST(TableReader, NamesTheVariableOrFlagOfABadText) {
  const std::string faults =
      Complaint({.file = {},
                 .dir = {},
                 .environment = {{"SIDECAR_HOST_COLLECTORS_CPU_ENABLED", "x"},
                                 {"SIDECAR_WEB_MAX_CONNECTIONS", "0"},
                                 {"SIDECAR_LOG_LEVEL", "\xff"}},
                 .flags = {{"collector.cpu.timeout", "5"}}});
  EXPECT_THAT(faults, HasSubstr("SIDECAR_HOST_COLLECTORS_CPU_ENABLED: not a boolean: 'x'"));
  EXPECT_THAT(faults, HasSubstr("SIDECAR_WEB_MAX_CONNECTIONS: must be between 1 and 65536, not 0"));
  EXPECT_THAT(faults, HasSubstr("SIDECAR_LOG_LEVEL: not valid UTF-8"));
  EXPECT_THAT(faults, HasSubstr("--collector.cpu.timeout: not a duration"));
}

TEST(TableReader, RefusesVariablesAndFlagsThatNothingReads) {
  const std::string faults = Complaint({.file = {},
                                        .dir = {},
                                        .environment = {{"SIDECAR_LOG_LEVLE", "secret"}},
                                        .flags = {{"collector.cpuu", "true"}}});
  EXPECT_THAT(faults, HasSubstr("SIDECAR_LOG_LEVLE: unknown environment variable; did you mean "
                                "SIDECAR_LOG_LEVEL?"));
  EXPECT_THAT(faults, HasSubstr("--collector.cpuu: unknown flag; did you mean --collector.cpu?"));
  EXPECT_THAT(faults, Not(HasSubstr("secret")));
}

TEST(TableReader, LeavesKubernetesServiceVariablesAlone) {
  const Options options =
      ReadAll({.file = {},
               .dir = {},
               .environment = {{"SIDECAR_EXPORTERS_SERVICE_HOST", "10.0.0.1"},
                               {"SIDECAR_EXPORTERS_SERVICE_PORT", "9100"},
                               {"SIDECAR_EXPORTERS_SERVICE_PORT_METRICS", "9100"},
                               {"SIDECAR_EXPORTERS_PORT", "tcp://10.0.0.1:9100"},
                               {"SIDECAR_EXPORTERS_PORT_9100_TCP", "tcp://10.0.0.1:9100"},
                               {"SIDECAR_EXPORTERS_PORT_9100_TCP_PROTO", "tcp"},
                               {"SIDECAR_EXPORTERS_PORT_9100_TCP_ADDR", "10.0.0.1"}},
               .flags = {}});
  EXPECT_EQ(options.level, "info");
}

TEST(TableReader, IgnoresTablesOfOtherBinariesAndTheirVariables) {
  EXPECT_EQ(FaultsOf("[temporal]\naddress = 5\n[temporal.x]\ny = 1\n"), "");
  ReadAll(
      {.file = {}, .dir = {}, .environment = {{"SIDECAR_TEMPORAL_ADDRESS", "a:1"}}, .flags = {}});
  EXPECT_THAT(FaultsOf("temporal = 5\n"), HasSubstr("'temporal' must be a table: [temporal]"));
}

TEST(TableReader, NeverPrintsASecretThatStandsInTheFile) {
  const std::string faults = FaultsOf(
      "[postgres]\npassword = \"hunter2\"\n[log]\npasswort = \"hunter2\"\n"
      "[host]\nlisten = { password = \"hunter2\" }\n[web]\nmax_connections = "
      "\"u://a:hunter2@h\"\n");
  EXPECT_THAT(faults, HasSubstr("sidecar.toml:2: 'password' would put a secret into this file: use "
                                "'password_file' or 'password_env'\n"
                                "    2 | password = ***\n"
                                "      | ^~~~~~~~"));
  EXPECT_THAT(faults, HasSubstr("sidecar.toml:4: unknown key 'passwort'"));
  EXPECT_THAT(faults, HasSubstr("u://a:***@h"));
  EXPECT_THAT(faults, Not(HasSubstr("hunter2")));
  EXPECT_THAT(FaultsOf("[postgres]\npassword = \"hunter2\n"),
              AllOf(HasSubstr("sidecar.toml:2: syntax error"), Not(HasSubstr("hunter2"))));
}

TEST(TableReader, NeverPrintsASecretThatStandsInTheEnvironment) {
  const std::string faults = Complaint({.file = {},
                                        .dir = {},
                                        .environment = {{"SIDECAR_POSTGRES_PASSWORD", "hunter2"}},
                                        .flags = {}});
  EXPECT_THAT(faults, HasSubstr("SIDECAR_POSTGRES_PASSWORD_FILE"));
  EXPECT_THAT(faults, Not(HasSubstr("hunter2")));
}

TEST(TableReader, TakesASecretsPlaceFromEachLayer) {
  EXPECT_EQ(ReadAll({.file = {},
                     .dir = {},
                     .environment = {{"SIDECAR_POSTGRES_PASSWORD_ENV", "SIDECAR_PW"},
                                     {"SIDECAR_PW", "hunter2"}},
                     .flags = {}})
                .password.environment(),
            "SIDECAR_PW");
  EXPECT_EQ(ReadAll({.file = {},
                     .dir = {},
                     .environment = {{"SIDECAR_POSTGRES_PASSWORD_ENV", "PW"}},
                     .flags = {{"postgres.password-file", "/run/pw"}}})
                .password.file(),
            "/run/pw");
  EXPECT_THAT(FaultsOf("[postgres]\npassword_file = \"a\"\npassword_env = \"b\"\n"),
              HasSubstr("both 'password_file' and 'password_env' are set"));
  EXPECT_THAT(FaultsOf("[postgres]\npassword_file = 5\n"),
              HasSubstr("'password_file' must be the path of a file"));
}

TEST(TableReader, SaysWhereAWrongKindOfTableStands) {
  EXPECT_THAT(FaultsOf("host = 5\n"), HasSubstr("sidecar.toml:1: 'host' must be a table: [host]"));
  EXPECT_THAT(FaultsOf("[postgres.queries]\nname = \"x\"\n"),
              HasSubstr("'queries' must be an array of tables: [[postgres.queries]]"));
  EXPECT_THAT(FaultsOf("[postgres]\nqueries = [1]\n"), HasSubstr("this is an integer"));
  EXPECT_THAT(FaultsOf("[log.level]\nx = 1\n"), HasSubstr("'level' must be a string, not a table"));
  EXPECT_THAT(FaultsOf("[[postgres.queries]]\nnam = \"x\"\n"),
              HasSubstr("unknown key 'nam' in [[postgres.queries]]; did you mean 'name'?"));
  EXPECT_THAT(FaultsOf("[[postgres.querys]]\nnam = \"x\"\n"),
              HasSubstr("unknown table [[postgres.querys]]; did you mean [[postgres.queries]]?"));
  EXPECT_THAT(FaultsOf("levl = 1\n"), HasSubstr("unknown key 'levl' in the top level"));
}

TEST(TableReader, PutsTheCaretUnderKeysInTablesOfOneLineAndDottedKeys) {
  EXPECT_THAT(FaultsOf("web = { max_connections = 1, a = 2, b = 3 }\n"),
              HasSubstr("    1 | web = { max_connections = 1, a = 2, b = 3 }\n"
                        "      |                              ^\n"));
  EXPECT_THAT(FaultsOf("host.collectors.cpu.xx = [1,\n 2]\n"),
              HasSubstr("    1 | host.collectors.cpu.xx = [1,\n"
                        "      |                     ^~"));
  EXPECT_THAT(FaultsOf("\t[ host . 'collectors' . cpux ]\n"),
              HasSubstr("    1 | \t[ host . 'collectors' . cpux ]\n"
                        "      | \t                        ^~~~"));
}

TEST(TableReader, PointsAtWhatARuleRejects) {
  auto document = Document::Load({.file = {},
                                  .dir = {},
                                  .environment = {{"SIDECAR_LOG_LEVEL", "loud"}},
                                  .flags = {{"collector.cpu.timeout", "1s"}}});
  ASSERT_TRUE(document);
  Options options;
  options.Read(document->Root());
  document->Root().Table("log").Reject("level", "no such level");
  TableReader host = document->Root().Table("host");
  host.Table("collectors").Table("cpu").Reject("timeout", "too short");
  host.Reject("listen", "taken");
  const auto read = document->Root().Finish();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message,
            "SIDECAR_LOG_LEVEL: no such level\n[host]: 'listen': taken\n"
            "--collector.cpu.timeout: too short");

  auto file = Document::Parse("[log]\nlevel = 'loud'\n[web]\n", "sidecar.toml");
  ASSERT_TRUE(file);
  Options again;
  again.Read(file->Root());
  file->Root().Table("log").Reject("level", "no such level");
  file->Root().Table("web").Reject({}, "two rules clash");
  const auto rejected = file->Root().Finish();
  ASSERT_FALSE(rejected);
  EXPECT_EQ(rejected.error().message,
            "sidecar.toml:2: 'level': no such level\n    2 | level = 'loud'\n"
            "      |         ^~~~~~\n"
            "sidecar.toml:3: two rules clash\n    3 | [web]\n      | ^~~~~");
}

TEST(TableReader, KnowsWhatWasGivenByWhom) {
  auto document = Document::Load({.file = {},
                                  .dir = {},
                                  .environment = {{"SIDECAR_WEB_MAX_CONNECTIONS", "5"}},
                                  .flags = {{"log.level", "warn"}}});
  ASSERT_TRUE(document);
  TableReader root = document->Root();
  EXPECT_TRUE(root.Table("web").Has("max_connections"));  // before it was read
  Options options;
  options.Read(root);
  EXPECT_TRUE(root.Table("web").Has("max_connections"));
  EXPECT_TRUE(root.Table("log").Has("level"));
  EXPECT_FALSE(root.Table("host").Has("listen"));
  std::vector<std::string> origins;
  for (const FieldInfo& field : document->Fields()) {
    if (field.origin != "default") origins.push_back(field.path + " " + field.origin);
  }
  EXPECT_THAT(origins, ElementsAre("log.level --log.level",
                                   "web.max_connections SIDECAR_WEB_MAX_CONNECTIONS"));
}

TEST(TableReader, FingerprintsChangeWithTheEffectiveValuesBelowAndNothingElse) {
  const auto fingerprint = [](std::string_view text) {
    auto document = Document::Parse(text, "sidecar.toml");
    EXPECT_TRUE(document) << document.error().message;
    Options options;
    options.Read(document->Root());
    return document->Root().Table("host").Fingerprint();
  };
  const std::string before = fingerprint("");
  EXPECT_EQ(before, fingerprint("# moved\n[log]\nlevel = 'warn'\n[host]\nlisten = [':9100']\n"));
  EXPECT_NE(before, fingerprint("[host.collectors.cpu]\ntimeout = '4s'\n"));
}

TEST(TableReader, ListsOptionsWithoutAConfiguration) {
  Document document = Document::Describing();
  Options options;
  options.Read(document.Root());
  document.Root().Table("log").Reject("level", "not while describing");
  EXPECT_TRUE(document.Root().describing());
  EXPECT_TRUE(document.Root().Finish());
  std::vector<std::string> listed;
  for (const FieldInfo& field : document.Fields()) {
    listed.push_back(field.path + " " + field.type + " " + field.value);
  }
  EXPECT_THAT(
      listed,
      ElementsAre("log.level string \"info\"", "web.max_connections integer 64",
                  "host.listen strings [\":9100\"]", "host.collectors.cpu.enabled bool true",
                  "host.collectors.cpu.timeout duration \"5s\"",
                  "host.collectors.cpu.guest bool false",
                  "host.collectors.load-avg.ratio number 0.5", "postgres.dsn string \"\"",
                  "postgres.password secret not set", "postgres.queries[].name string \"\"",
                  "postgres.queries[].scale number 1.0"));
  EXPECT_THAT(document.Fields()[2].flags, ElementsAre("web.listen-address", "listen"));
}

TEST(TableReader, ShowsAHundredFaultsAndCountsTheRest) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "key" + std::to_string(i) + " = 1\n";
  const std::string faults = FaultsOf(text);
  EXPECT_THAT(faults, StartsWith("sidecar.toml:1: unknown key 'key0'"));
  EXPECT_THAT(faults, ::testing::EndsWith("\nand 50 more"));
}

}  // namespace
}  // namespace sidecar
