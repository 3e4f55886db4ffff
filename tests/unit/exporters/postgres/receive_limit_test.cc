#include "exporters/postgres/receive_limit.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "common/base/unique_fd.h"

namespace sidecar::postgres {
namespace {

class ReceiveLimitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    here_.Reset(ends[0]);
    there_.Reset(ends[1]);
    const std::string sent(3'000, 'x');
    ASSERT_EQ(::send(there_.get(), sent.data(), sent.size(), 0), 3'000);
  }
  ssize_t Read() { return ::recv(here_.get(), buffer_.data(), buffer_.size(), 0); }

  UniqueFd here_, there_;
  std::array<char, 4'000> buffer_{};
};

TEST_F(ReceiveLimitTest, WhatIsPastTheLimitIsNotThereYet) {
  {
    const ReceiveLimit limit(1'000);
    EXPECT_EQ(Read(), 1'000);
    errno = 0;
    EXPECT_EQ(Read(), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(limit.received(), 1'000U);
  }
  const ReceiveLimit limit(5'000);
  EXPECT_EQ(Read(), 2'000);
  EXPECT_EQ(limit.received(), 2'000U);
}

TEST_F(ReceiveLimitTest, WithoutALimitAllIsRead) {
  EXPECT_EQ(Read(), 3'000);
  EXPECT_EQ(Read(), -1);
  EXPECT_EQ(errno, EAGAIN);
  there_.Reset();
  EXPECT_EQ(Read(), 0);
}

}  // namespace
}  // namespace sidecar::postgres
