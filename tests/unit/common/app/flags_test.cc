#include "common/app/flags.h"

#include <gmock/gmock.h>

namespace sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr std::string_view kRefused[] = {"web.config.file", "collector.systemd*"};

std::vector<FieldInfo> Fields() {
  Document document = Document::Describing();
  TableReader root = document.Root();
  bool cpu = true, defaults = false;
  std::int64_t requests = 40;
  std::string exclude = "^/dev", level = "info";
  std::vector<std::string> listen = {":9100"};
  Secret password;
  root.Table("log").Field("level", level, "Least severe lines.").Flag("log.level");
  TableReader host = root.Table("host");
  host.Field("listen", listen, "Addresses.").Flag("web.listen-address");
  host.Field("requests", requests, "At once.", 0, 100).Flag("web.max-requests");
  host.Field("password", password, "Who.").Flag("password-file");
  TableReader all = host.Table("collectors");
  all.Field("disable_defaults", defaults, "None.").Flag("collector.disable-defaults");
  all.Table("cpu").Field("enabled", cpu, "CPU time.").Flag("collector.cpu");
  all.Table("filesystem")
      .Field("exclude", exclude, "Mount points left out.")
      .Flag("collector.filesystem.mount-points-exclude")
      .Flag("collector.filesystem.ignored-mount-points");
  all.Table("filesystem").Field("unflagged", cpu, "In the file only.");
  return document.Fields();
}

Result<ParsedFlags> Parse(const std::vector<const char*>& args) {
  return ParseFlags(args, Fields(), kRefused);
}

std::vector<std::pair<std::string, std::string>> ValuesOf(const std::vector<const char*>& args) {
  const auto parsed = Parse(args);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? parsed->values : std::vector<std::pair<std::string, std::string>>{};
}

std::string Complaint(const std::vector<const char*>& args) {
  const auto parsed = Parse(args);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, Errc::kConfig);
  EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
  return parsed.error().message;
}

TEST(Flags, TakesValuesBehindAnEqualsSignOrAsTheNextArgument) {
  EXPECT_THAT(ValuesOf({"--web.listen-address=:1", "--web.listen-address", "[::1]:2", "--log.level",
                        "-x", "--web.max-requests=-5"}),
              ElementsAre(Pair("web.listen-address", ":1"), Pair("web.listen-address", "[::1]:2"),
                          Pair("log.level", "-x"), Pair("web.max-requests", "-5")));
}

TEST(Flags, TakesEmptyValuesAndOddOnes) {
  EXPECT_THAT(
      ValuesOf({"--collector.filesystem.mount-points-exclude=", "--log.level", "",
                "--web.listen-address=[a,b]", "--log.level=a=b", "--log.level=%%",
                "--log.level=@file", "--log.level=\xff"}),
      ElementsAre(Pair("collector.filesystem.mount-points-exclude", ""), Pair("log.level", ""),
                  Pair("web.listen-address", "[a,b]"), Pair("log.level", "a=b"),
                  Pair("log.level", "%%"), Pair("log.level", "@file"), Pair("log.level", "\xff")));
}

TEST(Flags, TurnsSwitchesIntoTrueAndFalse) {
  EXPECT_THAT(
      ValuesOf({"--collector.cpu", "--no-collector.cpu", "--collector.cpu=false",
                "--no-collector.cpu=false", "--collector.cpu=maybe",
                "--collector.disable-defaults"}),
      ElementsAre(Pair("collector.cpu", "true"), Pair("collector.cpu", "false"),
                  Pair("collector.cpu", "false"), Pair("collector.cpu", "true"),
                  Pair("collector.cpu", "maybe"), Pair("collector.disable-defaults", "true")));
}

TEST(Flags, KeepsTheOrderAcrossSpellings) {
  EXPECT_THAT(ValuesOf({"--collector.filesystem.ignored-mount-points=a", "--collector.cpu",
                        "--collector.filesystem.mount-points-exclude=b",
                        "--collector.filesystem.ignored-mount-points=c"}),
              ElementsAre(Pair("collector.filesystem.ignored-mount-points", "a"),
                          Pair("collector.cpu", "true"),
                          Pair("collector.filesystem.mount-points-exclude", "b"),
                          Pair("collector.filesystem.ignored-mount-points", "c")));
}

TEST(Flags, KnowsTheGeneralOnes) {
  const auto parsed = Parse({"--config.file=a.toml", "--config.dir", "d", "--config.check",
                             "--config.print", "--once", "--list-collectors", "--version"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->config_file, "a.toml");
  EXPECT_EQ(parsed->config_dir, "d");
  EXPECT_TRUE(parsed->check && parsed->print && parsed->once && parsed->list_collectors &&
              parsed->version);
  EXPECT_FALSE(parsed->help);
  EXPECT_TRUE(Parse({"-h"})->help);
  EXPECT_TRUE(Parse({"--help", "--nonsense"})->help);
  EXPECT_FALSE(Parse({"--once=false"})->once);
  EXPECT_EQ(Complaint({"--once=x"}), "--once: not a boolean: 'x'");
}

TEST(Flags, RefusesUnknownFlagsWithASuggestion) {
  EXPECT_EQ(Complaint({"--web.listen-adress=:1", "--other"}),
            "unknown flag --web.listen-adress; did you mean --web.listen-address?");
  EXPECT_EQ(Complaint({"--no-colector.cpu"}),
            "unknown flag --no-colector.cpu; did you mean --no-collector.cpu?");
  EXPECT_EQ(Complaint({"--zzzzzzzzzz"}), "unknown flag --zzzzzzzzzz");
  EXPECT_EQ(Complaint({"--no-log.level"}),
            "unknown flag --no-log.level; did you mean --log.level?");
}

TEST(Flags, RefusesOneDashWithAHint) {
  EXPECT_EQ(Complaint({"-web.listen-address=:1"}),
            "-web.listen-address: flags have two dashes: --web.listen-address");
  EXPECT_EQ(Complaint({"-web.listen-address", ":1"}),
            "-web.listen-address: flags have two dashes: --web.listen-address");
  EXPECT_EQ(Complaint({"-x"}), "unknown flag -x");
}

TEST(Flags, NamesWhatOnlyThePeerHas) {
  const std::string why =
      " is a flag of the exporter this one replaces; it does not exist here yet";
  EXPECT_EQ(Complaint({"--web.config.file=x"}), "--web.config.file" + why);
  EXPECT_EQ(Complaint({"--no-collector.systemd.enable-x"}),
            "--no-collector.systemd.enable-x" + why);
}

TEST(Flags, WantsAValueWhereOneBelongs) {
  EXPECT_EQ(Complaint({"--log.level"}), "--log.level needs a value");
  EXPECT_EQ(Complaint({"--config.file", "--once"}), "--config.file needs a value");
}

TEST(Flags, RefusesWhatIsNoFlag) {
  EXPECT_EQ(Complaint({"serve"}), "unexpected argument 'serve'");
  EXPECT_EQ(Complaint({""}), "unexpected argument ''");
  EXPECT_EQ(Complaint({"@file"}), "unexpected argument '@file'");
  EXPECT_EQ(Complaint({"--"}), "unexpected argument '--'");
  EXPECT_EQ(Complaint({"-"}), "unexpected argument '-'");
  EXPECT_EQ(Complaint({"\xff\n"}), "unexpected argument '\\xff\\x0a'");
  EXPECT_EQ(Complaint({"--\xff\x1b[31m"}), "unknown flag --??[31m");
  EXPECT_EQ(Complaint({"---x"}), "unknown flag --x");
  EXPECT_EQ(Complaint({"--=x"}), "unexpected argument '--=x'");
  const std::string large = "--" + std::string(1U << 20U, 'a');
  EXPECT_LT(Complaint({large.c_str()}).size(), 200U);
}

TEST(Flags, HelpGroupsFlagsWithDefaultsAndEnvironmentNames) {
  const std::string help = HelpText("host-exporter", Fields());
  EXPECT_THAT(help, HasSubstr("Usage: host-exporter [flags]"));
  EXPECT_THAT(help, HasSubstr("\nGeneral:\n  --help\n"));
  EXPECT_THAT(help, HasSubstr("\nWeb:\n  --web.listen-address=TEXT ...\n        Addresses.\n"
                              "        Default [\":9100\"], key host.listen, environment "
                              "SIDECAR_HOST_LISTEN\n"));
  EXPECT_THAT(help, HasSubstr("\nCollectors:\n  --[no-]collector.disable-defaults\n"));
  EXPECT_THAT(help, HasSubstr("  --collector.filesystem.mount-points-exclude=TEXT\n"
                              "  --collector.filesystem.ignored-mount-points=TEXT\n"));
  EXPECT_THAT(help, HasSubstr("environment SIDECAR_HOST_PASSWORD_FILE"));
  EXPECT_EQ(help.find("unflagged"), std::string::npos);
}

}  // namespace
}  // namespace sidecar
