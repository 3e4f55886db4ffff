#include "common/base/secret.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sidecar {
namespace {

class SecretTest : public ::testing::Test {
 protected:
  SecretTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "secret-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  ~SecretTest() override {
    std::filesystem::remove_all(root_);
    unsetenv(kVariable);
  }

  std::string Write(std::string_view text) {
    std::ofstream(root_ / "secret", std::ios::binary | std::ios::trunc) << text;
    return root_ / "secret";
  }

  static constexpr const char* kVariable = "SIDECAR_TEST_SECRET";
  std::filesystem::path root_;
};

std::string ValueOf(const Secret& secret) {
  auto value = secret.Read();
  EXPECT_TRUE(value) << value.error().message;
  return value ? *value : "";
}

TEST_F(SecretTest, ReadsTheFileAnewAtEveryUseAndStripsOneNewline) {
  const Secret secret = Secret::File(Write("first\n"));
  EXPECT_EQ(ValueOf(secret), "first");
  Write("second\n\n");
  EXPECT_EQ(ValueOf(secret), "second\n");
  Write("third\r\n");
  EXPECT_EQ(ValueOf(secret), "third");
  Write("fourth\r");
  EXPECT_EQ(ValueOf(secret), "fourth\r");
  Write("");
  EXPECT_EQ(ValueOf(secret), "");
}

TEST_F(SecretTest, ReadsTheEnvironmentAnewAtEveryUse) {
  const Secret secret = Secret::Environment(kVariable);
  EXPECT_EQ(secret.Read().error().code, Errc::kUnavailable);
  setenv(kVariable, "value\n", 1);
  EXPECT_EQ(ValueOf(secret), "value");
}

TEST_F(SecretTest, IsNowhereUntilItIsSet) {
  const Secret secret;
  EXPECT_FALSE(secret);
  EXPECT_EQ(secret.Read().error().code, Errc::kUnavailable);
  EXPECT_EQ(secret.Describe(), "not set");
  EXPECT_TRUE(Secret::File("/x"));
}

TEST_F(SecretTest, RefusesMoreThan64KiB) {
  const Secret secret = Secret::File(Write(std::string(64U << 10U, 'x')));
  EXPECT_EQ(ValueOf(secret).size(), 64U << 10U);
  Write(std::string((64U << 10U) + 1, 'x'));
  EXPECT_EQ(secret.Read().error().code, Errc::kLimit);
  setenv(kVariable, std::string((64U << 10U) + 1, 'x').c_str(), 1);
  EXPECT_EQ(Secret::Environment(kVariable).Read().error().code, Errc::kLimit);
}

TEST_F(SecretTest, SaysThePlaceAndNeverTheValue) {
  EXPECT_EQ(Secret::File("/run/pg").Describe(), "file /run/pg");
  EXPECT_EQ(Secret::Environment("PW").Describe(), "environment PW");
  const auto missing = Secret::File(root_ / "none").Read();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kUnavailable);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
  EXPECT_EQ(Secret::File(root_).Read().error().code, Errc::kUnavailable);  // a folder
}

}  // namespace
}  // namespace sidecar
