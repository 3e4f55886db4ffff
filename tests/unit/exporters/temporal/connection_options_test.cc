#include "exporters/temporal/connection_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/config/document.h"

namespace sidecar::temporal {
namespace {

using testing::HasSubstr;

// The faults of a configuration, or nothing.
std::string Faults(const std::string& toml, ConnectionOptions* read = nullptr) {
  std::string name = std::filesystem::temp_directory_path() / "sidecar-connection-XXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path file = std::filesystem::path(name) / "t.toml";
  std::ofstream(file) << toml;
  auto document = Document::Load({.file = file, .dir = {}, .environment = {}, .flags = {}});
  if (!document) return document.error().message;
  TableReader table = document->Root();
  ConnectionOptions options;
  options.Read(table);
  const auto finished = table.Finish();
  std::filesystem::remove_all(name);
  if (read != nullptr) *read = options;
  return finished ? "" : finished.error().message;
}

TEST(ConnectionOptions, EverythingIsRead) {
  ConnectionOptions options;
  EXPECT_EQ(Faults(R"(
address = "ns.acct.tmprl.cloud:7233"
api_key_file = "/run/secrets/key"
[tls]
enabled = true
ca_file = "/ca"
cert_file = "/crt"
key_file = "/key"
server_name = "other"
[[headers]]
name = "x-team"
value = "blue"
[[headers]]
name = "x-secret"
secret_env = "SECRET"
)",
                   &options),
            "");
  EXPECT_EQ(options.Target(), "dns:///ns.acct.tmprl.cloud:7233");
  EXPECT_EQ(options.api_key.file(), "/run/secrets/key");
  EXPECT_EQ(options.tls.server_name, "other");
  ASSERT_EQ(options.headers.size(), 2U);
  EXPECT_EQ(options.headers[1].secret.environment(), "SECRET");
}

TEST(ConnectionOptions, KeyOverPlaintextMustBeAskedFor) {
  EXPECT_THAT(Faults("api_key_file = \"/k\""), HasSubstr("plaintext"));
  EXPECT_EQ(Faults("api_key_file = \"/k\"\napi_key_over_plaintext = true"), "");
  EXPECT_EQ(Faults("api_key_file = \"/k\"\n[tls]\nenabled = true"), "");
}

TEST(ConnectionOptions, HalvesAndContradictionsAreRejected) {
  EXPECT_THAT(Faults("[tls]\nenabled = true\ncert_file = \"/c\""), HasSubstr("go together"));
  EXPECT_THAT(Faults("[tls]\nca_file = \"/c\""), HasSubstr("enabled = true"));
  EXPECT_THAT(Faults("address = \"\""), HasSubstr("empty"));
  EXPECT_THAT(Faults("[[headers]]\nname = \"x\""), HasSubstr("either value"));
  EXPECT_THAT(Faults("[[headers]]\nname = \"x\"\nvalue = \"a\\nb\""), HasSubstr("ASCII"));
  for (const char* name : {"", "Upper", "with space", "authorization", "grpc-timeout", "trace-bin",
                           "temporal-namespace"}) {
    EXPECT_THAT(Faults(std::string("[[headers]]\nname = \"") + name + "\"\nvalue = \"v\""),
                HasSubstr("metadata name"))
        << name;
  }
}

TEST(ConnectionOptions, TargetsKeepTheirScheme) {
  EXPECT_EQ((ConnectionOptions{.address = "h:1"}).Target(), "dns:///h:1");
  EXPECT_EQ((ConnectionOptions{.address = "unix:/run/t.sock"}).Target(), "unix:/run/t.sock");
  EXPECT_EQ((ConnectionOptions{.address = "ipv4:10.0.0.1:7233"}).Target(), "ipv4:10.0.0.1:7233");
  EXPECT_EQ((ConnectionOptions{.address = "dns:///h:1"}).Target(), "dns:///h:1");
}

TEST(ConnectionOptions, ChannelIsKeptOnlyForTheSameConnection) {
  const ConnectionOptions same{.address = "h:1"};
  EXPECT_EQ(same.Key(), (ConnectionOptions{.address = "h:1"}).Key());
  std::vector<ConnectionOptions> others(6, same);
  others[0].address = "h:2";
  others[1].tls.enabled = true;
  others[2].tls.server_name = "x";
  others[3].api_key = Secret::File("/k");
  others[4].headers = {{.name = "a", .value = "b"}};
  others[5].tls.ca_file = "x";
  for (const ConnectionOptions& other : others) EXPECT_NE(other.Key(), same.Key());
  EXPECT_NE(others[2].Key(), others[5].Key());
}

}  // namespace
}  // namespace sidecar::temporal
